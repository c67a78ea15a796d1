# Puts back what is in the folder $1: only settings that svcform changed, then or since.
# With $2 coming, only what the traffic of before needs; with going, the rest.
state=${SVCFORM_STATE:-/var/lib/svcform}
record=$state/host/record
tab='	'
code=0
cmp_files() { [ "$(cat "$1" 2>/dev/null; echo .)" = "$(cat "$2" 2>/dev/null; echo .)" ]; }
cat "$1/record" 2>/dev/null | awk -F "$tab" '$1 == "module" { print $2, ($3 == "-" ? "" : $3) }' |
	while read -r module options; do
		grep -qs "^$module " /proc/modules || [ -d "/sys/module/$module" ] ||
			modprobe "$module" $options
	done
later=$record
[ "$2" != coming ] || later=
for path in $(cat $later "$1/record" 2>/dev/null |
	awk -F "$tab" '$1 == "sysctl" { print $2 }' | sort -u); do
	# A value may be empty.
	if ! value=$(awk -F "$tab" -v path="$path" '$1 == path { found = 1; print $2 } END { exit !found }' "$1/sysctls"); then
		# What came with a module had a value of its own before svcform's.
		! grep -qs "^sysctl$tab$path$tab" "$1/record" || continue
		value=$(awk -F "$tab" -v path="$path" '$2 == path { print $4 }' "$record")
	fi
	[ ! -e "/proc/sys/$path" ] || [ "$(cat "/proc/sys/$path")" = "$value" ] ||
		printf '%s\n' "$value" >"/proc/sys/$path" || code=1
done
[ "$2" = coming ] || own_addresses | while read -r text; do
	grep -qsxF "$text" "$1/addresses" || take_address "$text" || exit 1
done || code=1
# The record, by which ours are told, is that of before from the end on.
give() { # FOLDER
	for text in $(cat "$1/addresses" 2>/dev/null); do give_address "$text" || code=1; done
	for family in 4 6; do
		our_routes $family | while read -r route; do
			# shellcheck disable=SC2086 # a route is words
			grep -qxF "$route" "$1/routes$family" || ip -$family route del $route || exit 1
		done || code=1
		while read -r route; do
			our_routes $family | grep -qxF "$route" && continue
			# Before the network has the node's addresses there is no source for it; it comes later.
			ip -$family route add $route || [ "$SVCFORM_BOOT" = boot ] || exit 1
		done <"$1/routes$family" || code=1
	done
}
[ "$2" = going ] || give "$1"
[ "$2" != coming ] || exit $code
for unit in $(our_units); do
	grep -qsxF "$unit" "$1/units/paths" || drop_unit "$unit" || code=1
done
for unit in $(cat "$1/units/paths" 2>/dev/null); do
	cmp_files "$1/units/${unit##*/}" "$unit" && is_enabled "$unit" && continue
	cp -p "$1/units/${unit##*/}" "$unit.new" && bring_unit "$unit" || code=1
	grep -qsxF "$unit" "$1/units/enabled" || disable_unit "$unit" || code=1
done
if [ -e "$1/record" ]; then
	cmp_files "$1/record" "$record" || { mkdir -p "$state/host" && cp "$1/record" "$record.new" &&
		{ sync "$record.new" 2>/dev/null || sync; } && mv "$record.new" "$record"; } || code=1
else
	rm -rf "$state/host"
fi
exit $code
