# ---- the lock: a file that appears together with its content, and dies with its processes

alive() { # FILE: whether one of the processes that a lock names still runs
	[ "$(sed -n "s/^boot$tab//p" "$1" 2>/dev/null)" = "$(boot)" ] || return 1
	sed -n "s/^process$tab//p" "$1" | while read -r pid start; do
		[ -n "$start" ] && [ "$(started "$pid")" = "$start" ] && echo alive
	done | grep -q alive
}
holder() {
	awk -F "$tab" '{ v[$1] = $2 } END {
		print v["who"] " from " v["source"] " since " v["since"] " (plan " substr(v["plan"], 1, 12) ")"
	}' "$1"
}
# The stale lock's own name is in the folder that gives the right to break it: nobody can break
# another one by mistake, and of many only one does.
break_stale() {
	name=$(sed -n "s/^run$tab//p" "$state/lock" 2>/dev/null)
	[ -e "$state/lock" ] || return 0
	alive "$state/lock" && return 1
	mkdir "$state/broken.${name:-nobody}" 2>/dev/null || return 1
	[ "$(sed -n "s/^run$tab//p" "$state/lock" 2>/dev/null)" = "$name" ] && rm -f "$state/lock"
	return 0
}
# A copy: the lock may be gone when somebody asks whose it was.
see_holder() {
	cp "$state/lock" "$dir/taken" 2>/dev/null && alive "$dir/taken" && return 0
	rm -f "$dir/taken"
	return 1
}
take_lock() { # or leave the one that is in the way as $dir/taken
	printf '%s\t%s\n' run "$(meta run)" plan "$(meta plan)" who "$(meta who)" \
		source "$(meta source)" since "$(now)" boot "$(boot)" \
		process "$$ $(started $$)" >"$dir/lock" || return 1
	# After a power cut an empty lock would have no owner, and nobody could break it.
	persist "$dir/lock"
	tries=0
	until ln "$dir/lock" "$state/lock" 2>/dev/null; do
		tries=$((tries + 1))
		[ $tries -le 50 ] || return 1
		# Who broke it has died over it: that takes a moment only.
		[ $tries != 25 ] || rmdir "$state"/broken.* 2>/dev/null
		break_stale || { see_holder && return 1; } || pause
	done
	rm -rf "$state"/broken.*
}
holds_lock() { [ "$(sed -n "s/^run$tab//p" "$state/lock" 2>/dev/null)" = "$(meta run)" ]; }
release_lock() { holds_lock && rm -f "$state/lock"; }
