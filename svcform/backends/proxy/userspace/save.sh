# Keeps in the folder $1 all that is these servers'.
for server in $servers; do
	rm -rf "$1/$server" "$1/$server.unit" "$1/$server.runs"
	[ ! -d "$etc/$server" ] || cp -Rp "$etc/$server" "$1/$server" || exit 1
	for entry in $(unit_file $server); do
		mkdir -p "$1/$server.unit" && cp -p "$entry" "$1/$server.unit" || exit 1
	done
	[ -z "$(server $server)" ] || : >"$1/$server.runs"
done
