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
# The process that serves our Corefile; a zombie doesn't.
server() {
	for entry in $(naming); do
		case $(tr '\0' ' ' <"$entry" 2>/dev/null) in
		*coredns*" -conf $folder/Corefile "*) ;;
		*) continue ;;
		esac
		found=${entry#/proc/}
		found=${found%/cmdline}
		grep -q '^State:.[ZX]' "/proc/$found/status" 2>/dev/null || printf '%s\n' "$found"
	done 2>/dev/null | head -n 1
}

process() { # by which it is known: the number, and when it started
	found=$(server)
	[ -z "$found" ] || printf '%s %s\n' "$found" "$(sed 's/.*) //' "/proc/$found/stat" 2>/dev/null | cut -d ' ' -f 20)"
}

# ---- the unit, with whichever init system starts it
service() { # enable disable start stop restart reload
	if [ -d /run/systemd/system ] && has systemctl; then
		case $1 in
		enable) systemctl daemon-reload && systemctl -q reenable $unit.service ;;
		forget) systemctl daemon-reload ;;
		disable) systemctl -q disable $unit.service ;;
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
		[ ! -e $resolv ] || cp -p $resolv "$folder/resolv.conf.before" || return 1
	fi
	chmod "$2" "$1.new" && persist "$1.new" && mv "$1.new" "$1" || return 1
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
	elif [ -e "$folder/resolv.conf.before" ]; then
		cp -p "$folder/resolv.conf.before" $resolv.new && persist $resolv.new && mv $resolv.new $resolv &&
			rm -f "$folder/resolv.conf.before" || return 1
	else
		rm -f $resolv
	fi
	return 0
}
restart_resolved() { [ "$SVCFORM_BOOT" = boot ] || systemctl -q try-restart systemd-resolved.service; }

# ---- serials: RFC 1982, and never 0, with which CoreDNS does not start
serial_of() { awk '$4 == "SOA" && $3 == "IN" { print $7; exit }' "$1" 2>/dev/null; }
later() { # ONE OTHER: whether one comes after the other
	difference=$((($1 - $2) & 4294967295))
	[ "$difference" -ne 0 ] && [ "$difference" -lt 2147483648 ]
}
next_serial() { # PLANNED LIVE: the planned one, unless what is live is as late by now
	if [ -z "$2" ] || later "$1" "$2"; then
		printf '%s\n' "$1"
	else
		after=$((($2 + 1) & 4294967295))
		[ "$after" -ne 0 ] || after=1
		printf '%s\n' "$after"
	fi
}

# ---- questions to the running server
port=53
spare=$((20000 + $$ % 10000))
question() { # NAME TYPE CLASS: the bytes of a query, type and class as octal numbers
	text='\123\106\000\000\000\001\000\000\000\000\000\000'
	for label in $(printf '%s' "$1" | tr . ' '); do
		text=$text$(printf '\\%03o' ${#label})$label
	done
	# shellcheck disable=SC2059 # the escapes are the text
	printf "$text"'\000\000'"\\$2"'\000'"\\$3"
}
ask() { # ADDRESS NAME TYPE CLASS: the answer in hexadecimal digits
	question "$2" "$3" "$4" >"$work/question" || return 1
	if has bash; then
		bash -c 'exec 3<>"/dev/udp/$1/$3" && cat "$2" >&3 && timeout 1 dd bs=4096 count=1 <&3' \
			ask "$1" "$work/question" "$port" 2>/dev/null
	elif has nc; then
		nc -u -w 1 "$1" "$port" <"$work/question" 2>/dev/null
	fi | od -An -v -tx1 | tr -d ' \n'
}
uptime() { cut -d . -f 1 /proc/uptime; }
until_answered() { # ADDRESS NAME TYPE CLASS HEX: waits until the answer holds these digits
	started=$(uptime)
	while :; do
		case $(ask "$1" "$2" "$3" "$4") in *"$5"*) return 0 ;; esac
		waited=$(($(uptime) - started))
		[ $waited -lt 15 ] || return 1
		[ $waited -lt 3 ] || [ -n "$(server)" ] || return 1
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
why() { # the last words of a server that does not run
	[ -n "$(server)" ] && return
	timeout 3 $(run_line "$folder/Corefile") 2>&1 </dev/null | last_words
}
why_not_at() { # ADDRESS: what it can't be bound for
	ip -o addr 2>/dev/null | grep -q -F " $1/" || printf 'The node does not have the address %s.' "$1"
}
why_zone() { # ORIGIN: what a CoreDNS of its own has to say of a zone that the running one does not take
	[ -n "$(server)" ] || { why && return; }
	printf '%s:%s {\nbind 127.0.0.1\nfile %s\n}\n' "$1" "$spare" "$folder/${1}zone" >"$work/Corefile"
	timeout 3 $(run_line "$work/Corefile") 2>&1 </dev/null | grep -v -x -F "$1:$spare" | last_words
}
mark_of() { # COREFILE: by which a server that has read it is known, in hexadecimal digits
	awk '$1 == "chaos" { mark = $2 } END { printf "%s", mark }' "$1" | od -An -v -tx1 | tr -d ' \n'
}
prove_corefile() { # that the running server has read the Corefile
	hex=$(mark_of "$folder/Corefile")
	for address in $(addresses); do
		until_answered "$address" version.bind 020 003 "$hex" || {
			say "CoreDNS does not serve its new configuration at $address port 53. $(why)$(why_not_at "$address")"
			return 1
		}
	done
}
prove_zone() { # ORIGIN: that the running server answers with the file's serial
	numbers=$(awk '$4 == "SOA" { print $7, $8, $9, $10; exit }' "$folder/${1}zone")
	# shellcheck disable=SC2086 # numbers are words
	hex=$(printf '%08x' $numbers)
	for address in $(addresses); do
		until_answered "$address" "${1%.}" 006 001 "$hex" || {
			say "CoreDNS does not serve the serial ${numbers%% *} of $1 at $address port 53. $(why_zone "$1")"
			return 1
		}
	done
}
