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
for tool in coredns bash nc; do
	has $tool && printf 'tool\t%s\n' $tool
done
# Whose a socket is takes a walk through all processes.
[ -z "$(has ss && ss -H -lntu 'sport = :53' 2>/dev/null)" ] ||
	ss -H -lntup 'sport = :53' 2>/dev/null | sed "s/^/socket$tab/"
exit 0
