# ---- what a folder keeps is put back, so that traffic always has a way

# What comes is there before what goes.  Host settings come first: rules that find no forwarding, or
# no route, would stop their traffic.
put_all_back() { # FOLDER LEFT RESTORED: rows of Services that go and come back
	[ -d "$1" ] || return 1
	failed=0
	rm -f "$1"/*.goes
	restore_each "$1" coming -n
	if ls "$1"/*.goes >/dev/null 2>&1; then
		cat "$state/services.tsv" "$2" >"$1/rows" 2>/dev/null
		send_anew "$1" "$1/rows" /dev/null
		rm -f "$1/rows" "$1"/*.goes
	fi
	restore_each "$1" going -rn
	send_anew "$@"
	return $failed
}
restore_each() { # FOLDER MOMENT ORDER
	for backend in $(sort "$3" "$1/order" | cut -f 2); do
		sh "$1/$backend.restore" "$1/$backend" "$2" || failed=1
	done
}
send_anew() { # FOLDER LEFT RESTORED
	[ ! -e "$1/connections" ] || sh "$1/connections" "$2" "$3" || failed=1
}
