# ---- the guard

guard() {
	decided=0
	end=$(($(uptime) + $(meta run_timeout)))
	while [ "$decided" = 0 ] && [ -d "$dir" ] && [ ! -e "$dir/outcome" ]; do
		watch_once
		pause
	done
}
watch_once() {
	phase=$(cat "$dir/phase" 2>/dev/null)
	if [ -e "$dir/failed" ]; then
		roll_back "$(cat "$dir/failed")"
	elif [ -e "$dir/rejected" ]; then
		roll_back "The new state was rejected. $(cat "$dir/rejected")"
	elif [ "$phase" = awaiting ]; then
		if [ -e "$dir/confirmed" ]; then
			commit
		elif [ "$(uptime)" -ge $(($(cat "$dir/awaiting") + $(meta confirm_timeout))) ]; then
			roll_back "Nobody confirmed within $(meta confirm_timeout) s."
		fi
	elif ! running worker; then
		[ -e "$dir/outcome" ] || [ "$(cat "$dir/phase")" = awaiting ] || [ -e "$dir/failed" ] ||
			roll_back "The runner was killed."
	elif [ "$(uptime)" -ge "$end" ]; then
		read -r pid _ <"$dir/worker"
		kill -9 -- "-$pid" 2>/dev/null || kill -9 "$pid" 2>/dev/null
		roll_back "The steps took longer than $(meta run_timeout) s."
	fi
}
running() { # worker or guard
	read -r pid start <"$dir/$1" && [ -n "$start" ] && [ "$(started "$pid")" = "$start" ]
}
