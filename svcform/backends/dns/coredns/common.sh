# What the scripts of this backend share.
folder=/etc/svcform/coredns
unit=svcform-coredns
LC_ALL=C
export LC_ALL
tab='	'
late=

has() { command -v "$1" >/dev/null 2>&1; }
persist() { sync "$@" 2>/dev/null || sync; }
say() { printf '%s\n' "$*" >&2; }

# The processes with our Corefile among their words, or all: to look at each takes a fork.
naming() {
	if printf 'a\0' | grep -qzx a 2>/dev/null; then
		grep -lszxF "$folder/Corefile" /proc/[0-9]*/cmdline
	else
		ls -d /proc/[0-9]*/cmdline
	fi
}
# What runs in a container on the node is not the node's.
is_here() { [ "$(readlink "/proc/$1/ns/net")" = "$(readlink /proc/self/ns/net)" ]; }
# The process that serves our Corefile; a zombie doesn't.
server() {
	for entry in $(naming); do
		case $(tr '\0' ' ' <"$entry" 2>/dev/null) in
		*supervise-daemon\ *) continue ;; # OpenRC's, who has the command among its own words
		*" -conf $folder/Corefile "*) ;;
		*) continue ;;
		esac
		found=${entry#/proc/}
		found=${found%/cmdline}
		is_here "$found" || continue
		grep -q '^State:.[ZX]' "/proc/$found/status" 2>/dev/null || printf '%s\n' "$found"
	done 2>/dev/null | head -n 1
}

process() { # by which it is known: the number, and when it started
	found=$(server)
	[ -z "$found" ] || printf '%s %s\n' "$found" "$(sed 's/.*) //' "/proc/$found/stat" 2>/dev/null | cut -d ' ' -f 20)"
}

# ---- the unit, with whichever init system starts it
unhang() { # a process that hangs hears no other signal
	hung=$(server)
	[ -z "$hung" ] || answers || kill -KILL "$hung"
}
service() { # enable disable start stop restart reload
	case $1 in stop | restart) unhang ;; esac
	if [ -d /run/systemd/system ] && has systemctl; then
		case $1 in
		enable) systemctl daemon-reload && systemctl -q reenable $unit.service ;;
		forget) systemctl daemon-reload ;;
		disable) systemctl -q disable $unit.service ;;
		start | restart) # one that died again and again must not keep the way back from starting it
			systemctl -q reset-failed $unit.service 2>/dev/null
			systemctl -q "$1" $unit.service
			;;
		*) systemctl -q "$1" $unit.service ;;
		esac
	elif has rc-service && grep -qs openrc-run "/etc/init.d/$unit"; then
		case $1 in
		enable) rc-update -q add $unit default ;;
		disable) rc-update -q --all del $unit ;;
		forget) ;;
		*) rc-service -q $unit "$1" ;;
		esac
	else
		case $1 in
		enable) { update-rc.d $unit defaults || chkconfig --add $unit; } >/dev/null 2>&1 ;;
		disable) { update-rc.d -f $unit remove || chkconfig --del $unit; } >/dev/null 2>&1 ;;
		forget) ;;
		*) "/etc/init.d/$unit" "$1" ;;
		esac
	fi
}
unit_file() {
	for entry in /etc/systemd/system/$unit.service /etc/init.d/$unit; do
		[ ! -e "$entry" ] || printf '%s\n' "$entry"
	done
}

# ---- a CoreDNS that svcform brought; of those that it took away the last one is kept
binaries=/etc/svcform/bin
retired=${SVCFORM_STATE:-/var/lib/svcform}/retired
retire() { # PATH
	[ -e "$1" ] || return 0
	rm -rf "$retired" && mkdir -p "$retired" && mv "$1" "$retired/" && rmdir "${1%/*}" 2>/dev/null
	[ ! -e "$1" ]
}
revive() { # PATH
	[ ! -e "$1" ] || return 0
	mkdir -p "${1%/*}" && cp -p "$retired/${1##*/}" "$1.new" && persist "$1.new" && mv "$1.new" "$1" && return
	rm -f "$1.new"
	say "The former CoreDNS (${1##*/}) is on the node no more: apply a plan that brings it."
	return 1
}

# ---- the node's own resolver; a file that isn't ours any more is left to who wrote it
resolv=/etc/resolv.conf
drop_in=/etc/systemd/resolved.conf.d/svcform.conf
is_led() { head -n 1 "$1" 2>/dev/null | grep -q '^# svcform wrote this file'; }
lead() { # PATH MODE: its text is in PATH.new
	if [ "$1" = $resolv ] && ! is_led $resolv; then
		rm -f "$folder/resolv.conf.before"
		{ [ ! -e $resolv ] && [ ! -L $resolv ]; } || cp -a $resolv "$folder/resolv.conf.before" || return 1
	fi
	chmod "$2" "$1.new" && persist "$1.new" && mv "$1.new" "$1" || {
		rm -f "$1.new"
		return 1
	}
	[ "$1" = $resolv ] || restart_resolved
}
unlead() { # PATH
	is_led "$1" || {
		[ "$1" != $resolv ] || rm -f "$folder/resolv.conf.before"
		return 0
	}
	if [ "$1" != $resolv ]; then
		rm -f "$1" && restart_resolved
		rmdir "${1%/*}" 2>/dev/null
	elif [ -e "$folder/resolv.conf.before" ] || [ -L "$folder/resolv.conf.before" ]; then
		cp -a "$folder/resolv.conf.before" $resolv.new && persist $resolv.new && mv $resolv.new $resolv &&
			rm -f "$folder/resolv.conf.before" || return 1
	else
		rm -f $resolv
	fi
	return 0
}
restart_resolved() { [ "$SVCFORM_BOOT" = boot ] || systemctl -q try-restart systemd-resolved.service; }

# ---- serials: RFC 1982, and never 0, with which CoreDNS does not start
serial_of() { # FILE: empty for what is none, or 0
	awk '$4 == "SOA" && $3 == "IN" {
		if ($7 ~ /^[0-9]+$/ && $7 > 0 && $7 < 4294967296) print $7
		exit
	}' "$1" 2>/dev/null
}
live_serial() { # ORIGIN: that of its file; of what the server still answers, where that is gone
	found=$(serial_of "$folder/${1}zone")
	[ -n "$found" ] || found=$(served_serial "$1")
	printf '%s' "$found"
}
later() { # ONE OTHER: whether one comes after the other
	difference=$((($1 - $2) & 4294967295))
	[ "$difference" -ne 0 ] && [ "$difference" -lt 2147483648 ]
}
next_serial() { # PLANNED LIVE: the planned one, unless what is live is as late by now; each may be empty
	if [ -n "$1" ] && { [ -z "$2" ] || later "$1" "$2"; }; then
		printf '%s\n' "$1"
	else
		after=$(((${2:-0} + 1) & 4294967295))
		[ "$after" -ne 0 ] || after=1
		printf '%s\n' "$after"
	fi
}

# ---- questions to the running server
port=53
spare=$((20000 + $$ % 10000))
askers='bash dig python3 host nc' # nc takes a second for each
can_ask() { # TOOL
	has "$1" && { [ "$1" != nc ] || nc -h 2>&1 </dev/null | grep -q -e '-u'; }
}
asker=$(for tool in $askers; do can_ask $tool && echo $tool && break; done)
question() { # NAME TYPE CLASS: the bytes of a query, as printf takes them
	text='\123\106\000\000\000\001\000\000\000\000\000\000'
	for label in $(printf '%s' "$1" | tr . ' '); do
		text=$text$(printf '\\%03o' ${#label})$label
	done
	case $2 in SOA) text=$text'\000\000\006\000' ;; TXT) text=$text'\000\000\020\000' ;; esac
	case $3 in IN) text=$text'\001' ;; CH) text=$text'\003' ;; esac
	printf '%s' "$text"
}
udp='
import socket, sys
host, port = sys.argv[1:]
family, kind, _, _, place = socket.getaddrinfo(host, int(port), 0, socket.SOCK_DGRAM)[0]
with socket.socket(family, kind) as asking:
    asking.settimeout(1)
    asking.sendto(sys.stdin.buffer.read(), place)
    sys.stdout.buffer.write(asking.recv(4096))
'
hexadecimal() { od -An -v -tx1 | tr -d ' \n'; }
ask() { # ADDRESS NAME TYPE CLASS: the answer as text or in hexadecimal digits, as the tool has it
	bytes=$(question "$2" "$3" "$4")
	# shellcheck disable=SC2059 # the escapes are the text
	case $asker in
	bash)
		# One write is one packet.
		printf "$bytes" | bash -c 'exec 3<>"/dev/udp/$1/$2" && dd bs=4096 count=1 >&3 &&
			timeout 1 dd bs=4096 count=1 <&3' ask "$1" "$port" | hexadecimal
		;;
	dig) dig +norecurse +tries=1 +time=1 +short -p "$port" "@$1" -c "$4" -t "$3" "$2" ;;
	python3) printf "$bytes" | python3 -c "$udp" "$1" "$port" | hexadecimal ;;
	host) host -r -p "$port" -R 1 -W 1 -c "$4" -t "$3" "$2" "$1" ;;
	nc) printf "$bytes" | nc -u -w 1 "$1" "$port" | hexadecimal ;;
	esac 2>/dev/null
}
ask_patiently() { # ADDRESS NAME TYPE CLASS: nothing only where nothing answers
	for _ in 1 2 3 4 5; do
		ask "$1" "$2" "$3" "$4" | grep '^[^;]' && return
		sleep 0.2 2>/dev/null || sleep 1
	done
	return 1
}
answers() { # whether the server that runs does: one that hangs serves nobody
	address=$(addresses 2>/dev/null | head -n 1)
	[ -z "$asker" ] || [ -z "$address" ] || ask_patiently "$address" version.bind TXT CH >/dev/null
}
# What stands behind the serial in all of svcform's SOA records.
times='7200 1800 86400'
served_serial() { # ORIGIN
	[ -n "$(server)" ] || return 0
	address=$(addresses 2>/dev/null | head -n 1)
	answer=$(ask_patiently "${address:-127.0.0.1}" "${1%.}" SOA IN)
	case $answer in
	*" $times "*) printf '%s\n' "$answer" | sed -n "s/.* \([0-9]*\) $times .*/\1/p" | head -n 1 ;;
	*)
		# shellcheck disable=SC2086 # times are words
		found=$(printf '%s\n' "$answer" | sed -n "s/.*\(........\)$(printf '%08x' $times).*/\1/p")
		[ -z "$found" ] || printf '%d\n' "0x$found"
		;;
	esac
}
uptime() { cut -d . -f 1 /proc/uptime; }
is_answered() { # ADDRESS NAME TYPE CLASS HEX TEXT: whether the answer holds these digits, or this text
	case $(ask "$1" "$2" "$3" "$4") in *"$5"* | *"$6"*) return 0 ;; esac
	return 1
}
# Waits until the answer is there, and says what may be wrong where it can't come.
until_answered() { # ADDRESS NAME TYPE CLASS HEX TEXT WHY...
	started=$(uptime)
	doubted=
	until is_answered "$1" "$2" "$3" "$4" "$5" "$6"; do
		waited=$(($(uptime) - started))
		if [ -n "$doubted" ]; then
			[ $waited -lt "$limit" ] || {
				answers || reason="Its process $(server) does not answer."
				return 1
			}
		elif [ $waited -ge 5 ] || { [ $waited -ge 3 ] && [ -z "$(server)" ]; }; then
			doubted=yes
			reason=$(shift 6 && "$@")
			[ -z "$reason" ] || return 1
			# CoreDNS reads 10 MB and more in a second; a busy node takes its time.
			limit=$((30 + $(du -sk "$folder" | cut -f 1) / 1000))
		fi
		sleep 0.1 2>/dev/null || sleep 1
	done
}
# Those that the proxy still takes, or drops, until it is done, are asked when $late is set.
addresses() {
	awk -v late="$late" '
		$1 == "#" && $2 == "late:" { for (i = 3; i <= NF; i++) is_late[$i] }
		$1 == "bind" { for (i = 2; i <= NF; i++) if (($i in is_late) == (late != "")) print $i }
	' "$folder/Corefile" | sort -u
}
run_line() { # COREFILE: the words that run a CoreDNS with it
	sed -n "/^# run: /{s///;s|$folder/Corefile|$1|;p;q;}" "$folder/Corefile"
}
last_words() { tail -n 3 | tr '\n' ' '; }
# What a server says that ends at once, the program missing for instance.
words_of() { # COREFILE
	# shellcheck disable=SC2046 # its words
	timeout 5 $(run_line "$1") >"$work/said" 2>&1 </dev/null
	case $? in
	124 | 143) ;; # it ran until its time was over
	*) last_words <"$work/said" ;;
	esac
}
why() { # ADDRESS: why it is not served there
	[ -n "$(server)" ] || { words_of "$folder/Corefile" && return; }
	ip -o addr 2>/dev/null | grep -q -F " $1/" || printf 'The node does not have the address %s.' "$1"
}
why_zone() { # ORIGIN: what a CoreDNS of its own has to say of a zone that the running one does not take
	[ -n "$(server)" ] || { words_of "$folder/Corefile" && return; }
	printf '%s:%s {\nbind 127.0.0.1\nfile %s\n}\n' "$1" "$spare" "$folder/${1}zone" >"$work/Corefile"
	words_of "$work/Corefile"
}
text_mark() { awk '$1 == "chaos" { mark = $2 } END { printf "%s", mark }' "$1"; }
is_mark_served() { # COREFILE ADDRESS
	is_answered "$2" version.bind TXT CH "$(text_mark "$1" | hexadecimal)" "$(text_mark "$1")"
}
prove_corefile() { # that the running server has read the Corefile
	mark=$(text_mark "$folder/Corefile")
	hex=$(printf '%s' "$mark" | hexadecimal)
	for address in $(addresses); do
		until_answered "$address" version.bind TXT CH "$hex" "$mark" why "$address" || {
			say "CoreDNS does not serve its new configuration at $address port 53. $reason"
			return 1
		}
	done
}
prove_zone() { # ORIGIN: that the running server answers with the file's serial
	numbers=$(awk '$4 == "SOA" { print $7, $8, $9, $10; exit }' "$folder/${1}zone")
	# shellcheck disable=SC2086 # numbers are words
	hex=$(printf '%08x' $numbers)
	for address in $(addresses); do
		until_answered "$address" "${1%.}" SOA IN "$hex" " $numbers" why_zone "$1" || {
			say "CoreDNS does not serve the serial ${numbers%% *} of $1 at $address port 53. $reason"
			return 1
		}
	done
}
