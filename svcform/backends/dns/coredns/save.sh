# Keeps in the folder $1 all that is svcform's of DNS.
rm -rf "$1/coredns" "$1/unit" "$1/running"
[ -d "$folder" ] || exit 0
cp -Rp "$folder" "$1/coredns" && mkdir "$1/unit" || exit 1
for entry in $(unit_file); do cp -p "$entry" "$1/unit" || exit 1; done
[ -z "$(server)" ] || : >"$1/running"
