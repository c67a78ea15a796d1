# ---- begin and confirm: the side that a person or a controller sees

unpack() {
	read -r table count <"$dir/sizes"
	offset=$((table + 1))
	head -n "$count" "$dir/bundle" | while read -r size name; do
		tail -c "+$offset" "$dir/bundle" | head -c "$size" >"$dir/$name" || exit 1
		offset=$((offset + size))
	done || return 1
	rm -f "$dir/bundle" "$dir/sizes"
}
begin() {
	unpack || {
		rm -rf "$dir"
		printf 'outcome\terror\ndetail\tThe bundle can not be unpacked in %s.\n\n' "$state"
		exit 1
	}
	id=$(meta run)
	# Whoever followed the run in the meantime has called it off.
	mv "$dir" "$state/runs/$id" || exit 1
	dir=$state/runs/$id
	detached work "$dir"
	# A machine that is slow to start it still runs it; it says who it is itself as soon as it can.
	[ -z "$!" ] || { put "$dir/child" "$! $(started $!)" && ln "$dir/child" "$dir/worker" 2>/dev/null; }
	follow
}
# Also after a connection was lost.  A worker that has just been started has not said yet who it is.
follow() {
	idle=0
	until settled; do
		idle=$((idle + 1))
		if running worker || running guard; then
			idle=0
		elif [ $idle -gt 20 ] && ! by_systemd_still work; then
			adopt || {
				[ -e "$dir/phase" ] || put "$dir/detail" "The runner was killed before it changed anything."
				break
			}
		fi
		pause "$dir/outcome" "$dir/awaiting"
	done 2>/dev/null
	tell
}
settled() { [ -e "$dir/outcome" ] || { see_phase && [ "$phase" = awaiting ]; }; }
tell() {
	answer "$dir"
	[ ! -e "$dir/answer" ] || cat "$dir/answer"
	# A run that never began leaves nothing.
	[ -e "$dir/phase" ] || rm -rf "$dir"
	rmdir "$state/runs" "$state" 2>/dev/null
	exit 0
}
answer() {
	printf 'outcome\t%s\n' "$(cat "$1/outcome" 2>/dev/null || cat "$1/phase" 2>/dev/null || echo error)"
	printf 'detail\t%s\n' "$(cat "$1/detail" 2>/dev/null)"
	[ ! -e "$1/journal" ] || sed "s/^/journal$tab/" "$1/journal"
	printf '\n'
}
decide() { # MARK
	[ -d "$dir" ] || {
		printf 'outcome\terror\ndetail\tThe node knows nothing of this run.\n\n'
		exit 1
	}
	[ "$1" = confirmed ] || put "$dir/$1" "$reason"
	# Also on a disk that is full.
	: >>"$dir/$1"
	tries=0
	while [ ! -e "$dir/outcome" ] && [ $tries -lt 3000 ]; do
		running guard || running worker || adopt
		pause "$dir/outcome"
		tries=$((tries + 1))
	done
	answer "$dir"
	# An emptied node keeps nothing, not even the run that emptied it, once its guard is done with it.
	[ "$(meta absent)$(cat "$dir/outcome")" != 1applied ] || {
		tries=0
		while holds_lock && [ $tries -lt 50 ]; do
			tries=$((tries + 1))
			pause
		done
		rm -rf "$dir"
	}
	rmdir "$state/runs" "$state" 2>/dev/null
	exit 0
}
