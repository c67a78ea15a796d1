# Puts back what is in the folder $1, and leaves alone what is equal.
same() { [ "$(cksum <"$1")" = "$(cksum <"$2")" ]; } 2>/dev/null
put_back() { # SERVER FOLDER
	if [ ! -d "$2/$1" ]; then
		[ -d "$etc/$1" ] || [ -n "$(unit_file "$1")" ] || [ -n "$(server "$1")" ] || return 0
		act "$1" stop
		act "$1" disable
		for entry in $(unit_file "$1"); do rm -f "$entry"; done
		act "$1" forget
		rm -rf "${etc:?}/$1"
		return 0
	fi
	verb=
	if [ "$(mark "$1" "$2/$1")" != "$(mark "$1" "$etc/$1" 2>/dev/null)" ]; then
		rm -rf "$etc/$1.new" && cp -Rp "$2/$1" "$etc/$1.new" && rm -rf "$etc/$1.old" || return 1
		[ ! -d "$etc/$1" ] || mv "$etc/$1" "$etc/$1.old" || return 1
		mv "$etc/$1.new" "$etc/$1" && rm -rf "$etc/$1.old" && write_proof "$1" "$etc/$1" && persist || return 1
		verb=reload
	fi
	for entry in "$2/$1.unit"/*; do
		case $entry in *.service) place=/etc/systemd/system ;; *) place=/etc/init.d ;; esac
		[ -e "$entry" ] && ! same "$entry" "$place/${entry##*/}" || continue
		cp -p "$entry" "$place/" && act "$1" enable || return 1
		verb=restart
	done
	# Before the network is up init has not started it yet.
	[ -e "$2/$1.runs" ] && [ "$SVCFORM_BOOT" != boot ] || return 0
	[ -n "$(server "$1")" ] || verb=restart
	[ -n "$verb" ] || is_current "$1" || verb=reload
	[ -z "$verb" ] || { act "$1" "$verb" && prove "$1"; }
}
for server in $servers; do put_back $server "$1" || exit 1; done
