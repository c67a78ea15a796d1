# Takes a bundle from standard input and starts the runner that is its first file.
umask 077
LC_ALL=C
export LC_ALL
state=${SVCFORM_STATE:-/var/lib/svcform}
dir=
refuse() {
	printf 'outcome\terror\ndetail\t%s\n\n' "$1"
	[ -z "$dir" ] || rm -rf "$dir"
	rmdir "$state/runs" "$state" 2>/dev/null
	exit 1
}
read -r magic version total header first count run || refuse "The bundle did not arrive."
[ "$magic $version" = "svcform-bundle 2" ] || refuse "The bundle did not arrive."
case $run in
'' | *[!0-9a-f]*) refuse "The bundle has no run." ;;
esac
# A folder that is there may be one on a file system that is read-only.
why=$({ mkdir -p "$state/runs" && chmod 700 "$state" && mkdir "$state/runs/incoming.$run"; } 2>&1) ||
	refuse "Nothing can be written in $state: ${why##*: }."
# Root runs what lies there, also at boot.
[ -O "$state" ] || {
	rmdir "$state/runs/incoming.$run"
	refuse "$state is not root's: look who wrote there, and run \"chown -R root: $state\"."
}
dir=$state/runs/incoming.$run
# Should it end before the runner begins, the next run takes the folder away.
printf '%s %s\n' $$ "$(sed 's/.*) //' /proc/$$/stat | cut -d ' ' -f 20)" >"$dir/maker.new" &&
	mv "$dir/maker.new" "$dir/maker"
why=$({ printf '%s %s\n' "$header" "$count" >"$dir/sizes" && cat >"$dir/bundle"; } 2>&1) ||
	refuse "The bundle can't be stored in $state: ${why##*: }."
[ "$(wc -c <"$dir/bundle")" -eq "$total" ] || refuse "The bundle arrived cut short."
# What busybox's head writes to a full disk is lost without a word.
tail -c "+$((header + 1))" "$dir/bundle" | head -c "$first" | cat >"$dir/runner" ||
	refuse "The runner can't be stored in $state."
exec sh "$dir/runner" begin "$dir"
