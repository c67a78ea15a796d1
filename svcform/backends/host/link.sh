# The addresses that svcform gives the node: on a dummy link of its own, which is not before the
# first of them and goes with the last.  Where the kernel has no dummy links they are on the
# loopback, and the record says which are ours.
own_link=svcform0
own_addresses() { # a line each
	[ -d /sys/class/net/$own_link ] ||
		grep -qs '^address' "${SVCFORM_STATE:-/var/lib/svcform}/host/record" || return 0
	{
		ip -o addr show dev $own_link 2>/dev/null | awk '{ print $4 }'
		awk -F '\t' '$1 == "address" { print $2 }' "${SVCFORM_STATE:-/var/lib/svcform}/host/record" 2>/dev/null |
			while read -r text; do on_loopback "$text" && printf '%s\n' "$text"; done
	} | sed 's,/.*,,' | grep -v '^fe80:' | sort -u
}
on_loopback() { ip -o addr show dev lo | grep -qF " $1/"; }
whole() { case $1 in *:*) echo "$1/128" ;; *) echo "$1/32" ;; esac; }
# Other nodes may have the same one, so it is no source for a link without an address of its own:
# by its scope, and in IPv6, where scopes are not to choose, as deprecated (RFC 6724, rule 3).
add_address() { # ADDRESS LINK
	case $1 in
	*:*) ip addr add "$1/128" dev "$2" preferred_lft 0 2>/dev/null || ip addr add "$1/128" dev "$2" ;;
	*) ip addr add "$1/32" dev "$2" scope link ;;
	esac
}
give_address() { # ADDRESS
	# Where the record of it came back too late, it is there and counts as nobody's.
	! { own_addresses | grep -qxF "$1" || on_loopback "$1"; } || return 0
	if [ -d /sys/class/net/$own_link ] || ip link add $own_link type dummy 2>/dev/null; then
		ip link set $own_link up && add_address "$1" $own_link
	else
		add_address "$1" lo
	fi
}
take_address() { # ADDRESS
	link=lo
	! ip -o addr show dev $own_link 2>/dev/null | grep -qF " $1/" || link=$own_link
	ip addr del "$(whole "$1")" dev $link || return 1
	[ $link = lo ] || ip -o addr show dev $own_link | awk '{ print $4 }' | grep -qv '^fe80:' ||
		ip link del $own_link
}
