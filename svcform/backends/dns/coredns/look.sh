# What is svcform's of DNS on the node, and who else has port 53.
show() { # FILE NAME: its lines behind their number
	printf 'file\t%s\t%s\n' "$(awk 'END { print NR }' "$1")" "$2" && awk 1 "$1"
}
mine=
if [ -d "$folder" ] || [ -n "$(unit_file)" ]; then
	mine=$(server)
	[ -z "$mine" ] || printf 'process\t%s\n' "$mine"
	[ -z "$mine" ] || ! answers || printf 'running\t%s\n' "$mine"
	for entry in "$folder"/Corefile "$folder"/*.zone; do
		[ ! -e "$entry" ] || show "$entry" "${entry##*/}" || exit 92
	done
	for entry in $(unit_file); do show "$entry" "$entry" || exit 92; done
fi
for entry in $resolv $drop_in; do
	! is_led $entry || show $entry $entry || exit 92
done
is_immutable() { case $(lsattr -d $resolv 2>/dev/null) in *i*" $resolv") ;; *) false ;; esac }
# Who writes resolv.conf, and what it says besides its servers.
writer() {
	! is_led $resolv || return 0
	# Of a link to a folder that is not there, -f says nothing.
	target=$(readlink -f $resolv) && [ -n "$target" ] || target=$(readlink $resolv)
	said=$(sed -n '/^[#;].*\(enerated\|managed by\|maintained by\)/{s/^[#; ]*//p;q;}' $resolv 2>/dev/null)
	case "$target $said" in
	*run/systemd/resolve/* | */lib/systemd/resolv.conf* | *systemd-resolved*)
		if is_led $drop_in || grep -qsx systemd-resolve /proc/[0-9]*/comm; then
			echo systemd-resolved
		else
			echo 'systemd-resolved, which does not run,'
		fi
		;;
	"$resolv "?*) echo "who says \"$said\"" ;;
	"$resolv ")
		if grep -qs " $resolv " /proc/self/mountinfo; then
			echo "who mounts it there"
		elif is_immutable; then
			echo "who made it immutable (chattr +i)"
		else
			cat $(grep -lsxE 'dhclient|dhcpcd|udhcpc|pump' /proc/[0-9]*/comm | head -n 1) /dev/null
		fi
		;;
	' '*) ;;
	*) echo "who writes $target, to which it is a link," ;;
	esac
}
written_by=$(writer)
printf 'resolver\t%s\n' "$written_by"
# Who else names servers for systemd-resolved, which asks but one of all.
[ "$written_by" != systemd-resolved ] ||
	grep -lsE '^[ 	]*DNS[ 	]*=[ 	]*[^ 	]' /etc/systemd/resolved.conf /etc/systemd/resolved.conf.d/*.conf \
		/run/systemd/resolved.conf.d/*.conf /usr/lib/systemd/resolved.conf.d/*.conf |
	sed "\\|^$drop_in\$|d;s/^/resolver-rival$tab/"
before=$resolv
! is_led $resolv || before=$folder/resolv.conf.before
[ ! -e "$before" ] || grep -E '^(search|domain|options|sortlist)[ 	]' "$before" | head -n 10 | sed "s/^/resolver-line$tab/"
for entry in $binaries/coredns-*; do
	[ ! -e "$entry" ] || printf 'binary\t%s\t%s\n' "$entry" "$(sha256sum <"$entry" | cut -d ' ' -f 1)"
done
! has coredns || printf 'tool\tcoredns\n'
[ -z "$asker" ] || printf 'tool\t%s\n' "$asker"
# Port 53 of /proc/net as ss shows it.  Whether a socket for all of IPv6 takes IPv4 is not told there.
sockets_of_proc() {
	for table in udp:07 udp6:07 tcp:0A tcp6:0A; do
		awk -v state="${table#*:}" -v kind="${table%:*}" '
			function byte(at) { return index(d, substr(a, at, 1)) * 16 + index(d, substr(a, at + 1, 1)) - 17 }
			BEGIN { d = "0123456789ABCDEF" }
			$4 != state || $2 !~ /:0035$/ { next }
			{
				a = substr($2, 1, length($2) - 5)
				text = a ~ /^0+$/ ? (length(a) > 8 ? "*" : "0.0.0.0") : ""
				if (text == "" && length(a) == 8) text = byte(7) "." byte(5) "." byte(3) "." byte(1)
				for (word = 0; text !~ /\*/ && length(a) == 32 && word < 32; word += 8)
					text = text (word ? ":" : "[") tolower(substr(a, word + 7, 2) substr(a, word + 5, 2) ":" \
						substr(a, word + 3, 2) substr(a, word + 1, 2))
				print "=", $10, kind, text (text ~ /^\[/ ? "]" : "") ":53"
			}' "/proc/net/${table%:*}" 2>/dev/null
	done
}
with_holders() {
	awk '
		$1 == "=" { kind[$2] = $3; at[$2] = $4; next }
		/^\/proc\// { split($0, path, "/"); pid = path[3]; next }
		match($0, /socket:\[[0-9]+\]$/) {
			inode = substr($0, RSTART + 8, RLENGTH - 9)
			if (!(inode in at) || inode in told) next
			told[inode]
			name = "?"
			getline name < ("/proc/" pid "/comm")
			print kind[inode], "- 0 0", at[inode], "- users:((\"" name "\",pid=" pid ",fd=0))"
		}
		END { for (inode in at) if (!(inode in told)) print kind[inode], "- 0 0", at[inode], "-" }'
}
sockets() {
	# Whose a socket is takes a walk through all processes.
	if has ss; then
		[ -z "$(ss -H -lntu 'sport = :53' 2>/dev/null)" ] || ss -H -lntup 'sport = :53' 2>/dev/null
	else
		found=$(sockets_of_proc)
		[ -z "$found" ] || { printf '%s\n' "$found" && ls -l /proc/[0-9]*/fd 2>/dev/null; } | with_holders
	fi
}
sockets | sed "s/^/socket$tab/"
exit 0
