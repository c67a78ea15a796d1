# Changes files as standard input says, and has them served:
#   file SERVER NAME       a file of a server's; then its lines, each behind a bar
#   remove SERVER NAME
#   unit MODE PATH         a unit's file; then its lines, each behind a bar
#   nounit PATH
#   act SERVER VERB        see common.sh
#   prove SERVER
# All fields are parted by tabs.  Files come and go first, all at once; the rest is in order.
# With "rehearse" as $1 it is done to copies, which the servers themselves then check.
umask 077
mode=$1
work=$(mktemp -d "${SVCFORM_STATE:-/var/lib/svcform}/userspace.XXXXXX" 2>/dev/null || mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/new/units" && : >"$work/acts" || exit 1
for server in $servers; do
	mkdir -p "$work/new/$server/services" && : >"$work/gone.$server" || exit 1
done
lines=$(awk -F "$tab" -v work="$work" '
	{ lines += $1 == "remove" ? 2 : 1 }
	substr($0, 1, 1) == "|" { print substr($0, 2) > out; next }
	out { close(out); out = "" }
	$1 == "file" { out = work "/new/" $2 "/" $3; printf "" > out; print $2 > (work "/touched"); next }
	$1 == "remove" { print $3 > (work "/gone." $2); print $2 > (work "/touched"); next }
	$1 == "unit" { name = $3; gsub("/", "_", name); out = work "/new/units/" name; printf "" > out }
	{ print > (work "/acts") }
	END { print lines + 0 }') &&
	# Busybox's awk doesn't say that a disk is full.
	[ "$(find "$work" -type f -exec cat {} + | wc -l)" = "$lines" ] || {
	say "There is no room in ${work%/*}."
	exit 1
}

fill() { # SERVER FOLDER: the files that come and go
	mkdir -p "$2/services" && cp -R "$work/new/$1/." "$2/" || return 1
	set -- "$1" "$2"
	while IFS= read -r name; do
		set -- "$@" "$2/$name"
		[ $# -lt 200 ] || { drop "$@" && set -- "$1" "$2"; } || return 1
	done <"$work/gone.$1"
	drop "$@" && write_proof "$1" "$2"
}
drop() {
	shift 2
	rm -f -- "$@"
}
rehearse() { # SERVER
	cp -R "$etc/$1" "$work/$1" 2>/dev/null || mkdir -p "$work/$1"
	fill "$1" "$work/$1" || return 1
	[ -e "$work/$1/$1.$(suffix "$1")" ] || return 0
	if [ "$1" = nginx ]; then
		# nginx binds what it checks, and the addresses may not be there yet.
		sed "s,^pid .*,pid $work/pid;," "$work/nginx/nginx.conf" >"$work/frame" && mv "$work/frame" "$work/nginx/nginx.conf" &&
			cat "$work"/nginx/services/*.conf 2>/dev/null | awk '
				$1 == "listen" { sub(/.*:/, "", $2); print "    listen 127.0.0." ++seen[$2] ":" $2, $3; next }
				{ print }' >"$work/all" && rm -f "$work"/nginx/services/*.conf && mv "$work/all" "$work/nginx/services/all.conf" ||
			return 1
	fi
	check "$1" "$work/$1" 2>"$work/said" && return
	tail -n 5 "$work/said" | sed "s,$work,$etc,g" >&2
	return 1
}
no_room() {
	say "$etc can't be written: $(df -P $etc 2>/dev/null | awk 'NR == 2 { print $4 " KiB are free in " $6 }')."
	return 1
}
touched=$(sort -u "$work/touched" 2>/dev/null)
for server in $touched; do
	if [ "$mode" = rehearse ]; then
		rehearse "$server" || exit 1
	else
		fill "$server" "$etc/$server" || no_room || exit 1
	fi
done
[ "$mode" != rehearse ] || exit 0
[ -z "$touched" ] || persist
while IFS=$tab read -r verb one two; do
	case $verb in
	unit)
		cp "$work/new/units/$(printf %s "$two" | tr / _)" "$two.new" && chmod "$one" "$two.new" && mv "$two.new" "$two"
		;;
	nounit) rm -f "$one" ;;
	act)
		[ ! -d "$etc/$one" ] || is_gathered "$one" || write_proof "$one" "$etc/$one" || no_room || exit 1
		act "$one" "$two"
		;;
	prove) prove "$one" ;;
	*) exit 64 ;;
	esac || exit 1
done <"$work/acts"
for server in $servers; do
	# By no other program: one that can't be started here would leave the server without its files.
	for left in "$etc/$server"/services/* "$etc/$server/$server".*; do
		[ ! -e "$left" ] || continue 2
	done
	rm -rf "${etc:?}/$server"
done
rmdir "$etc" 2>/dev/null
exit 0
