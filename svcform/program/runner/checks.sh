# ---- the checks of --confirm=checks: what can be known on the node itself

check() {
	reason=$(troubles 2>>"$dir/log")
	[ -z "$reason" ] || decide rejected
	decide confirmed
}
troubles() { # a sentence for each
	for family in 4 6; do
		ip "-$family" route show default 2>/dev/null | tr '\n' ' ' |
			awk '{ for (i = 1; i < NF; i++) if ($i == "via") print $(i + 1), $(i + 3) }' |
			while read -r gateway device; do
				gateway_answers "$family" "$gateway" "$device" ||
					printf 'The default gateway %s does not answer. ' "$gateway"
			done
	done
	sshd_listens | while read -r address port; do
		case $(banner "$address" "$port") in
		*SSH-*) ;;
		*) printf 'The sshd that listens on %s port %s does not answer. ' "$address" "$port" ;;
		esac
	done
}
# A gateway that drops pings still says who has its address.
gateway_answers() { # FAMILY GATEWAY DEVICE
	if has ping && ping "-$1" -c 1 -W 2 -I "$3" "$2" >/dev/null 2>&1; then
		return 0
	fi
	neighbour=$(ip "-$1" neigh show "$2" dev "$3")
	link=$(printf '%s\n' "$neighbour" | sed -n 's/.*lladdr \([^ ]*\).*/\1/p')
	case $neighbour in
	*PERMANENT* | *NOARP*) ;;
	*lladdr*) ip "-$1" neigh change "$2" dev "$3" lladdr "$link" nud probe 2>/dev/null ;;
	*) ip "-$1" neigh replace "$2" dev "$3" use 2>/dev/null ;; # also one that failed before
	esac
	# Busybox can't ask anew, and the kernel takes its time (5 s of "delay", then the probes).
	tries=0
	while [ $tries -lt 90 ]; do
		case $(ip "-$1" neigh show "$2" dev "$3") in
		*REACHABLE* | *PERMANENT* | *NOARP*) return 0 ;;
		*FAILED*) return 1 ;;
		esac
		tries=$((tries + 1))
		pause
	done
	return 1
}
sshd_listens() { # on loopback where it does on all addresses
	! has ss || ss -H -ltnp | awk '/"(sshd|dropbear)"/ {
		address = port = $4
		sub(/:[0-9]*$/, "", address)
		sub(/^.*:/, "", port)
		gsub(/[][]/, "", address)
		sub(/%.*$/, "", address)
		if (address == "*" || address == "0.0.0.0") address = "127.0.0.1"
		if (address == "::") address = "::1"
		print address, port
	}' | sort -u
}
banner() { # ADDRESS PORT
	if has bash; then
		timeout 4 bash -c 'exec 3<>"/dev/tcp/$1/$2" && head -c 4 <&3' bash "$1" "$2"
	elif has nc; then
		timeout 4 nc "$1" "$2" </dev/null | head -c 4
	else
		ssh-keyscan -T 4 -p "$2" "$1" 2>&1
	fi
}
