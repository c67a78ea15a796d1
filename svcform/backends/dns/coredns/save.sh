# Keeps in the folder $1 all that is svcform's of DNS.
rm -rf "$1/coredns" "$1/unit" "$1/running" "$1/resolver" "$1/binaries"
[ -d "$folder" ] || exit 0
cp -Rp "$folder" "$1/coredns" && mkdir "$1/unit" || exit 1
for entry in $(unit_file); do cp -p "$entry" "$1/unit" || exit 1; done
ls -d $binaries/coredns-* >"$1/binaries" 2>/dev/null
for entry in $resolv $drop_in; do
	! is_led $entry || { mkdir -p "$1/resolver" && cp -p $entry "$1/resolver"; } || exit 1
done
[ -z "$(server)" ] || process >"$1/running"
