# Takes a bundle from standard input and starts the runner that is its first file.
umask 077
LC_ALL=C
export LC_ALL
state=${SVCFORM_STATE:-/var/lib/svcform}
refuse() {
	printf 'outcome\terror\ndetail\t%s\n\n' "$1"
	[ -z "$dir" ] || rm -rf "$dir"
	exit 1
}
mkdir -p "$state/runs" && chmod 700 "$state" || refuse "The folder $state can't be made."
dir=$(mktemp -d "$state/runs/incoming.XXXXXX") || refuse "There is no room in $state."
cat >"$dir/bundle" || refuse "The bundle can't be stored in $state."
read -r magic version total header first _ <"$dir/bundle"
[ "$magic $version" = "svcform-bundle 1" ] || refuse "The bundle did not arrive."
[ "$(wc -c <"$dir/bundle")" -eq "$total" ] || refuse "The bundle arrived cut short."
tail -c "+$((header + 1))" "$dir/bundle" | head -c "$first" >"$dir/runner" ||
	refuse "The runner can't be stored in $state."
exec sh "$dir/runner" begin "$dir"
