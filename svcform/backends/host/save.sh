# Keeps in the folder $1 what svcform could change among the host's settings.
record=${SVCFORM_STATE:-/var/lib/svcform}/host/record
rm -f "$1/record"
[ ! -e "$record" ] || cp "$record" "$1/record" || exit 1
rm -rf "$1/units" && mkdir "$1/units" || exit 1
for unit in $(our_units); do
	printf '%s\n' "$unit" >>"$1/units/paths" && cp -p "$unit" "$1/units" || exit 1
	! is_enabled "$unit" || printf '%s\n' "$unit" >>"$1/units/enabled" || exit 1
done
cd /proc/sys || exit 1
sysctls() {
	for path in net/ipv4/ip_forward net/ipv4/conf/all/route_localnet net/ipv6/conf/all/forwarding \
		net/ipv6/conf/*/accept_ra net/ipv4/ip_local_reserved_ports net/bridge/bridge-nf-call-iptables \
		net/bridge/bridge-nf-call-ip6tables net/ipv4/vs/conntrack net/ipv4/vs/conn_reuse_mode \
		net/ipv4/vs/expire_nodest_conn net/ipv4/vs/expire_quiescent_template; do
		[ ! -r "$path" ] || printf '%s\t%s\n' "$path" "$(cat "$path")"
	done
}
keep "$1/sysctls" "$(sysctls)" || exit 1
keep "$1/addresses" "$(own_addresses)" || exit 1
for family in 4 6; do
	keep "$1/routes$family" "$(our_routes $family)" || exit 1
done
exit 0
