# ---- begin and confirm: the side that a person or a controller sees

# One after another from one open file, so that a file costs one process.
unpack() {
	read -r table count <"$dir/sizes"
	head -n "$count" "$dir/bundle" | {
		exec 3<"$dir/bundle"
		take "$table" >/dev/null
		while read -r size name; do
			take "$size" >"$dir/$name" || exit 1
		done
	} || return 1
	rm -f "$dir/bundle" "$dir/sizes"
}
take() { [ "$1" = 0 ] || dd bs="$1" count=1 <&3 2>/dev/null; }
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
	idle=0 word=
	see_uptime
	began=$up told=$up
	until settled || [ $idle -ge 3000 ]; do
		[ -d "$dir" ] || forgotten
		idle=$((idle + 1))
		if running worker || running guard; then
			idle=0
		elif [ $idle -gt 20 ] && ! by_systemd_still work; then
			# Where another run has the lock, it puts this one in order.
			adopt || [ -e "$dir/phase" ] || {
				put "$dir/detail" "The runner was killed before it changed anything."
				break
			}
		fi
		say_what_it_is_at 2>&5
		pause "$dir/outcome" "$dir/awaiting"
	done 5>&2 2>/dev/null
	tell
}
say_what_it_is_at() { # now and then
	see_uptime
	[ "$up" -ge $((told + 5)) ] || return 0
	told=$up
	remark waiting $((up - began)) "$(doing)"
}
# Another one may hear the end of a run, too, whose connection was lost, and take the run away then.
forgotten() {
	printf 'outcome\tunknown\ndetail\tThe node knows nothing of this run any more.\n\n'
	exit 0
}
# Asked for first: one that appears after the reading would be an end without its word.
concluded() { [ -e "$dir/outcome" ] && { read -r word <"$dir/outcome" || [ -e "$dir/outcome" ]; } 2>/dev/null; }
settled() { concluded || { see_phase && word=$phase && [ "$word" = awaiting ]; }; }
tell() {
	answer
	[ ! -e "$dir/answer" ] || cat "$dir/answer"
	# A run that never began leaves nothing.
	[ -e "$dir/phase" ] || rm -rf "$dir"
	rmdir "$state/runs" "$state" 2>/dev/null
	exit 0
}
answer() {
	printf 'outcome\t%s\n' "${word:-error}"
	printf 'detail\t%s\n' "$(cat "$dir/detail" 2>/dev/null)"
	[ ! -e "$dir/journal" ] || sed "s/^/journal$tab/" "$dir/journal"
	printf '\n'
}
decide() { # MARK
	[ -d "$dir" ] || forgotten
	[ "$1" = confirmed ] || put "$dir/$1" "$reason"
	# Also on a disk that is full.
	: >>"$dir/$1"
	tries=0 word=
	see_uptime
	began=$up told=$up
	until concluded || [ $tries -ge 3000 ]; do
		[ -d "$dir" ] || forgotten
		running guard || running worker || adopt
		say_what_it_is_at
		pause "$dir/outcome"
		tries=$((tries + 1))
	done
	[ -n "$word" ] || ! see_phase || word=$phase
	answer
	[ "$(meta absent)$word" != 1applied ] || leave_nothing
	rmdir "$state/runs" "$state" 2>/dev/null
	exit 0
}
# An emptied node keeps nothing, not even the run that emptied it, once its guard is done with it.
leave_nothing() {
	tries=0
	while running guard && [ "$pid" != $$ ] && [ $tries -lt 600 ]; do
		tries=$((tries + 1))
		pause
	done 2>/dev/null
	release_lock
	rm -rf "$dir"
}
