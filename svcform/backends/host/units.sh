# svcform's own services for the boot, whichever init system they are for.
our_units() { # the paths of those that are there
	[ "${SVCFORM_STATE:-/var/lib/svcform}" = /var/lib/svcform ] || return 0
	for unit in /etc/systemd/system/svcform.service /etc/systemd/system/svcform-late.service \
		/etc/systemd/system/svcform-after-*.service /etc/systemd/system/svcform-after-*.path \
		/etc/init.d/svcform /etc/init.d/svcform-late; do
		is_ours "$unit" && printf '%s\n' "$unit"
	done
	return 0
}
is_ours() { # by its first two lines
	[ -e "$1" ] || return 1
	{ read -r line_1 && read -r line_2; } <"$1"
	case $line_1 in '# svcform wrote this file'*) return 0 ;; esac
	case $line_2 in '# svcform wrote this file'*) ;; *) return 1 ;; esac
}
# FILE, with its text in FILE.new.  A service that isn't active is not restarted with the firewalls.
# Its start has nothing to do now, as this run does it all; it may have to wait for the network.
bring_unit() {
	[ ! -e "$1" ] || is_ours "$1" || {
		echo "$1 is there, and is not svcform's" >&2
		return 1
	}
	# After a power cut an empty file would be nobody's.
	sync "$1.new" 2>/dev/null || sync
	mv "$1.new" "$1" && enable_unit "$1" || return 1
	[ -d /run/systemd/system ] && grep -q '^WantedBy=' "$1" || return 0
	# One that follows a firewall has to be started by it, now or later: it is not active before.
	follows=$(sed -n 's/^PartOf=//p' "$1")
	[ -z "$follows" ] || systemctl -q is-active "$follows" || return 0
	name=${1##*/}
	if [ -n "$(starts_as "$1")" ]; then
		mkdir -p /run/svcform && sed -n 's/^run	//p' "${SVCFORM_STATE:-/var/lib/svcform}/lock" \
			>"/run/svcform/starting.$(starts_as "$1")"
	fi
	inside "$name" || systemctl -q --no-block start "$name"
}
starts_as() { sed -n 's/^ExecStart=.* //p' "$1"; }
inside() { grep -qs "/$1" /proc/self/cgroup; }
drop_unit() { # FILE
	is_ours "$1" || return 0
	disable_unit "$1" || return 1
	[ ! -d /run/systemd/system ] || inside "${1##*/}" || systemctl -q stop "${1##*/}"
	rm -f "$1" && forget_units
}
