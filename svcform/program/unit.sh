# What to do with a service file of svcform's, by the folder it is in: $1 is its path.
enable_unit() { # the next boot starts it
	case $1 in
	/etc/systemd/system/*)
		# To enable it is to reload, too.
		if grep -q '^WantedBy=' "$1"; then
			systemctl -q reenable "${1##*/}"
		else
			systemctl daemon-reload
		fi
		;;
	*)
		if head -n 1 "$1" | grep -q openrc; then
			level=default
			! grep -q 'before net$' "$1" || level=boot
			rc-update -q add "${1##*/}" $level
		elif command -v update-rc.d; then
			update-rc.d "${1##*/}" defaults
		else
			chkconfig --add "${1##*/}"
		fi >/dev/null
		;;
	esac
}
disable_unit() { # before the file goes
	case $1 in
	/etc/systemd/system/*) systemctl -q disable "${1##*/}" ;;
	*)
		if head -n 1 "$1" | grep -q openrc; then
			rc-update -q --all del "${1##*/}"
		elif command -v update-rc.d; then
			update-rc.d -f "${1##*/}" remove
		else
			chkconfig --del "${1##*/}"
		fi >/dev/null
		;;
	esac
}
forget_units() { # after files have gone
	[ ! -d /run/systemd/system ] || systemctl daemon-reload
}
# Whether the next boot starts it: systemd wants a link for each word of WantedBy.
is_enabled() {
	case $1 in
	/etc/systemd/system/*)
		wanted=$(sed -n 's/^WantedBy=//p' "$1" | wc -w)
		[ "$(ls -d /etc/systemd/system/*.wants/"${1##*/}" 2>/dev/null | wc -l)" -eq "$wanted" ]
		;;
	*) ls -d /etc/rc?.d/S[0-9][0-9]"${1##*/}" /etc/runlevels/*/"${1##*/}" 2>/dev/null | grep -q . ;;
	esac
}
act_on_unit() { # FILE VERB
	case $1 in
	/etc/systemd/system/*) systemctl -q "$2" "${1##*/}" ;;
	*) "$1" "$2" ;;
	esac
}
