# What is svcform's among the host's settings: a line each, kind, key, value, value of before.
# Sysctls and modules are svcform's by its record.
command -v ip >/dev/null 2>&1 || exit 91
record=${SVCFORM_STATE:-/var/lib/svcform}/host/record
if [ -e "$record" ]; then
	[ -r "$record" ] || exit 92
	while IFS='	' read -r kind key extra was; do
		case $kind in
		sysctl)
			value=-
			[ ! -r "/proc/sys/$key" ] || value=$(cat "/proc/sys/$key")
			printf 'sysctl\t%s\t%s\t%s\n' "$key" "$value" "$was"
			;;
		module)
			loaded=gone
			grep -qs "^$key " /proc/modules || [ -d "/sys/module/$key" ] && loaded=loaded
			printf 'module\t%s\t%s\t%s\t%s\n' "$key" "$extra" "$was" "$loaded"
			;;
		esac
	done <"$record"
fi
for unit in $(our_units); do
	state=disabled
	! is_enabled "$unit" || state=enabled
	printf 'unit\t%s\t%s\t%s\n' "${unit##*/}" $state "$unit"
	# GNU sed would leave a last line without an end to what comes next.
	awk 1 "$unit" | sed "s/^/unit	${unit##*/}	|/"
done
own_addresses | while read -r text; do printf 'address\t%s\t-\t-\n' "$text"; done
for family in 4 6; do
	our_routes $family | while read -r cidr rest; do
		printf 'route\tIPv%s %s\t%s\t-\n' $family "$cidr" "$rest"
	done
done
