# Puts back what is in the folder $1.  A zone that has to change gets a later serial than the live
# one: who has seen that must not take the old content for the same.
saved=$1
[ "$2" != going ] || exit 0
if [ ! -d "$saved/coredns" ]; then
	[ -d "$folder" ] || [ -n "$(unit_file)" ] || exit 0
	for entry in $resolv $drop_in; do unlead $entry; done
	if [ -n "$(unit_file)" ]; then
		service stop
		service disable
		for entry in $(unit_file); do rm -f "$entry"; done
		service forget
	fi
	rm -rf "$folder"
	rm -f $binaries/coredns-*
	rmdir $binaries "${folder%/*}" 2>/dev/null
	exit 0
fi
work=$(mktemp -d "${SVCFORM_STATE:-/var/lib/svcform}/coredns.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
body() { awk '$4 == "SOA" && $3 == "IN" { $7 = "" } { print }' "$1" 2>/dev/null; }
put_zone() { # FILE
	live=$folder/${1##*/}
	[ "$(body "$1" | cksum)" != "$(body "$live" | cksum)" ] || return 0
	origin=${1##*/}
	origin=${origin%zone}
	serial=$(next_serial "$(serial_of "$1")" "$(live_serial "$origin")")
	awk -v serial="$serial" '$4 == "SOA" && $3 == "IN" && !done { $7 = serial; done = 1 } { print }' \
		"$1" >"$folder/.${1##*/}.new" && mv "$folder/.${1##*/}.new" "$live" || return 1
	[ -z "$(serial_of "$live")" ] || printf '%s\n' "$origin" >>"$work/changed"
}
mkdir -p "$folder" && rm -f "$folder"/.*.new || exit 1
for entry in "$saved"/coredns/*.zone; do
	[ ! -e "$entry" ] || put_zone "$entry" || exit 1
done
for entry in $(cat "$saved/binaries" 2>/dev/null); do revive "$entry" || exit 1; done
act=
same() { [ "$(cksum <"$1")" = "$(cksum <"$2")" ]; } 2>/dev/null
# Where somebody had removed it, what is there stays.
[ ! -e "$saved/coredns/Corefile" ] || same "$saved/coredns/Corefile" "$folder/Corefile" || {
	cp -p "$saved/coredns/Corefile" "$folder/.Corefile.new" && mv "$folder/.Corefile.new" "$folder/Corefile" || exit 1
	act=reload
}
for entry in "$saved"/unit/*; do
	case $entry in *.service) place=/etc/systemd/system ;; *) place=/etc/init.d ;; esac
	[ -e "$entry" ] && ! same "$entry" "$place/${entry##*/}" || continue
	cp -p "$entry" "$place/" && service enable || exit 1
	# A program that did not start left the former one running.
	[ "$(process)" = "$(cat "$saved/running" 2>/dev/null)" ] || act=restart
done
# Before the network has addresses nothing can be served; init starts the unit when it has.
if [ -e "$saved/running" ] && [ "$SVCFORM_BOOT" != boot ]; then
	{ [ -n "$(server)" ] && answers; } || act=restart
	[ -z "$act" ] || service "$act" || exit 1
	[ -z "$act" ] || prove_corefile || exit 1
	sort -u "$work/changed" 2>/dev/null | while read -r origin; do
		# One that CoreDNS does not take was put there by somebody before.
		prove_zone "$origin" || { [ -n "$(server)" ] && [ -n "$(why_zone "$origin")" ]; } || exit 1
	done || exit 1
fi
for entry in $resolv $drop_in; do
	was=$saved/resolver/${entry##*/}
	if [ ! -e "$was" ]; then
		unlead $entry
	elif ! same "$was" $entry; then
		mkdir -p "${entry%/*}" && cp -p "$was" $entry.new && lead $entry 644 || exit 1
	fi
done
for entry in $binaries/coredns-*; do
	grep -qsxF "$entry" "$saved/binaries" || rm -f "$entry"
done
for entry in "$folder"/*.zone; do
	[ -e "$saved/coredns/${entry##*/}" ] || rm -f "$entry"
done
exit 0
