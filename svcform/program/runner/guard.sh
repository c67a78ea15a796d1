# ---- the guard

register() { # WHAT: this process is the run's worker or guard, and holds its lock
	mine=$(meta run)
	[ -n "$mine" ] && [ "$(sed -n "s/^run$tab//p" "$state/lock" 2>/dev/null)" = "$mine" ] || return 1
	put "$dir/$1" "$$ $(started $$)" || return 1
	printf 'process\t%s\n' "$$ $(started $$)" >>"$state/lock"
	# Released just now, the lock would come back as this one line.
	grep -q "^run$tab" "$state/lock" || rm -f "$state/lock"
}
guard() {
	trap '' HUP INT
	register guard || return
	decided=0
	end=$(($(uptime) + $(meta run_timeout)))
	while [ "$decided" = 0 ] && [ -d "$dir" ] && [ ! -e "$dir/outcome" ]; do
		watch_once
		if [ "$phase" = awaiting ]; then
			pause "$dir/confirmed" "$dir/rejected"
		else
			pause
		fi
	done
}
see_phase() {
	phase=
	{ read -r phase <"$dir/phase"; } 2>/dev/null
}
watch_once() {
	see_phase
	if [ "$phase" = committing ]; then
		commit
	elif [ "$phase" = restoring ]; then
		roll_back "$(cat "$dir/reason")"
	elif [ -e "$dir/failed" ]; then
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
	elif see_uptime && [ "$up" -ge "$end" ]; then
		at=$(doing)
		read -r pid _ <"$dir/worker"
		kill -9 "-$pid" 2>/dev/null || kill -9 "$pid" 2>/dev/null
		roll_back "The steps took longer than $(meta run_timeout) s; the last was $at."
	fi
}
doing() { # what the run is at, and the command that it waits for
	see_phase
	who=worker
	case $phase in
	'') at="the look before the first step" ;;
	awaiting) at="the confirmation" ;;
	committing) who=guard at="storing the new state" ;;
	restoring) who=guard at="going back" ;;
	*)
		at=$(cat "$dir/at" 2>/dev/null || echo "the start of the guard")
		case $at in
		The*) at="the${at#The}" ;;
		\"*) at="the step $at" ;;
		esac
		;;
	esac
	read -r pid _ <"$dir/$who"
	command=$(awaited "$pid" 0)
	printf '%s\n' "$at${command:+: ${command#* }}"
}
# What a killed worker or guard of this boot was running goes on without it, and would undo the undoing.
end_rest() { # WHAT
	[ "$(sed -n "s/^boot$tab//p" "$dir/lock" 2>/dev/null)" = "$(boot)" ] || return 0
	read -r pid _ 2>/dev/null <"$dir/$1" && ! running "$1" || return 0
	tries=0
	while kill -9 "-$pid" 2>/dev/null && [ $tries -lt 50 ]; do
		tries=$((tries + 1))
		pause
	done
}
running() { # worker or guard
	read -r pid start <"$dir/$1" && [ -n "$start" ] && see_started "$pid" && [ "$begun" = "$start" ]
}
