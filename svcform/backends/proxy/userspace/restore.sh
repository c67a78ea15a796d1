# Puts back what is in the folder $1, and leaves alone what is equal.  With $2 coming or going it is
# only what is there before rules lead to it, or goes when none does any more.
same() { [ "$(cksum <"$1")" = "$(cksum <"$2")" ]; } 2>/dev/null
put_back() { # SERVER FOLDER MOMENT
	if [ ! -d "$2/$1" ]; then
		[ "$3" != coming ] || return 0
		[ -d "$etc/$1" ] || [ -n "$(unit_file "$1")" ] || [ -n "$(server "$1")" ] || return 0
		[ "$1" = health ] || drain "$1"
		[ "$1" != nginx ] || send_anew
		act "$1" stop
		act "$1" disable
		for entry in $(unit_file "$1"); do rm -f "$entry"; done
		act "$1" forget
		rm -rf "${etc:?}/$1"
		return 0
	fi
	[ "$3" != going ] || return 0
	verb=
	if [ "$(mark "$1" "$2/$1")" != "$(mark "$1" "$etc/$1" 2>/dev/null)" ]; then
		mkdir -p "$etc" && rm -rf "$etc/$1.new" && cp -Rp "$2/$1" "$etc/$1.new" && rm -rf "$etc/$1.old" || return 1
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
	[ -z "$verb" ] || { act "$1" "$verb" && prove "$1"; } || is_refused "$1"
}
# Files that somebody broke before it was kept: the server goes on with what it has read.
is_refused() { [ -n "$(server "$1")" ] && ! check "$1" "$etc/$1" 2>/dev/null; }
# Clients that go on would be taken for ever to where nobody is any more.
send_anew() {
	has conntrack || return 0
	conntrack -D -f ipv4 -p udp --reply-src 169.254.20.11 >/dev/null 2>&1
	conntrack -D -f ipv6 -p udp --reply-src fd73:7663:666f:726d::11 >/dev/null 2>&1
}
for server in $servers; do put_back $server "$1" "$2" || exit 1; done
[ "$2" = coming ] || rmdir "$etc" 2>/dev/null || :
