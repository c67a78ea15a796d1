# What is svcform's of DNS on the node, and who else has port 53.
show() { # FILE NAME: its lines behind their number
	printf 'file\t%s\t%s\n' "$(awk 'END { print NR }' "$1")" "$2" && awk 1 "$1"
}
mine=
if [ -d "$folder" ] || [ -n "$(unit_file)" ]; then
	mine=$(server)
	[ -z "$mine" ] || printf 'running\t%s\n' "$mine"
	for entry in "$folder"/Corefile "$folder"/*.zone; do
		[ ! -e "$entry" ] || show "$entry" "${entry##*/}" || exit 92
	done
	for entry in $(unit_file); do show "$entry" "$entry" || exit 92; done
fi
for entry in $resolv $drop_in; do
	! is_led $entry || show $entry $entry || exit 92
done
# Who writes resolv.conf, and what it says besides its servers.
writer() {
	! is_led $resolv || return 0
	target=$(readlink -f $resolv)
	said=$(sed -n '/^[#;].*\(enerated\|managed by\|maintained by\)/{s/^[#; ]*//p;q;}' $resolv 2>/dev/null)
	case "$target $said" in
	/run/systemd/resolve/* | /usr/lib/systemd/resolv.conf* | *systemd-resolved*) echo systemd-resolved ;;
	"$resolv "?*) echo "who says \"$said\"" ;;
	"$resolv ")
		if grep -qs " $resolv " /proc/self/mountinfo; then
			echo "who mounts it there"
		else
			cat $(grep -lsxE 'dhclient|dhcpcd|udhcpc|pump' /proc/[0-9]*/comm | head -n 1) /dev/null
		fi
		;;
	' '*) ;;
	*) echo "who writes $target, to which it is a link," ;;
	esac
}
printf 'resolver\t%s\n' "$(writer)"
before=$resolv
! is_led $resolv || before=$folder/resolv.conf.before
[ ! -e "$before" ] || grep -E '^(search|domain|options|sortlist)[ 	]' "$before" | head -n 10 | sed "s/^/resolver-line$tab/"
for entry in $binaries/coredns-*; do
	[ ! -e "$entry" ] || printf 'binary\t%s\t%s\n' "$entry" "$(sha256sum <"$entry" | cut -d ' ' -f 1)"
done
for tool in coredns bash nc; do
	has $tool && printf 'tool\t%s\n' $tool
done
# Whose a socket is takes a walk through all processes.
[ -z "$(has ss && ss -H -lntu 'sport = :53' 2>/dev/null)" ] ||
	ss -H -lntup 'sport = :53' 2>/dev/null | sed "s/^/socket$tab/"
exit 0
