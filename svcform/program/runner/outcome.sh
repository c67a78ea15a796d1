# ---- what is decided

receipt() { # OUTCOME DETAIL
	mkdir -p "$state/receipts" || return 1
	last=$(ls "$state/receipts" | grep -v '[.]' | tail -n 1 | sed 's/^0*//')
	file=$state/receipts/$(printf '%08d' $((${last:-0} + 1)))
	# Said before, and then the power went.
	said=$state/receipts/$(printf '%08d' "${last:-0}")
	! grep -qsx "run$tab$(meta run)" "$said" || file=$said
	printf '%s\t%s\n' run "$(meta run)" plan "$(meta plan)" project "$(meta project)" \
		layout "$(meta layout)" svcform "$(meta svcform)" before "$(meta before)" after "$(meta after)" \
		who "$(meta who)" source "$(meta source)" when "$(now)" outcome "$1" detail "$2" \
		>"$file.new" && persist "$file.new" && mv "$file.new" "$file"
	persist "$state/receipts"
	ls "$state/receipts" | grep -v '[.]' | sort -r | tail -n +11 | while read -r old; do
		rm -f "$state/receipts/$old"
	done
}
conclude() { # OUTCOME DETAIL: the last act of every run
	decided=1
	put "$dir/detail" "$2"
	put "$dir/ended" "$(boot) $(uptime)"
	# Until somebody makes room the run goes on, with its lock and its checkpoint.
	put "$dir/outcome" "$1" || {
		decided=0
		return 1
	}
	persist "$dir/outcome"
	syslog "end run=$(meta run) plan=$(meta plan) outcome=$1 $2"
	# Of scripts that were killed; as long as the lock is ours, nobody works there.
	rm -rf "$state"/userspace.?????? "$state"/coredns.??????
	release_lock
	[ "$1" = failed-changed ] && ! others_are_owed || rm -rf "$dir/checkpoint"
	rm -rf "$dir"/step.* "$dir"/fingerprint.* "$dir/after" "$dir"/reading* "$dir/answer" \
		"$dir"/new.* "$dir"/heir.*
}
# A checkpoint that could not be put back is kept, and tried again by whoever comes next, until the
# node is in another state that somebody confirmed.  Of several the oldest is the way back.
owed() { # RUN'S FOLDER
	[ "$(cat "$1/outcome" 2>/dev/null)" = failed-changed ] && [ -d "$1/checkpoint" ]
}
others_are_owed() {
	for other in "$state"/runs/*/; do
		[ "${other%/}" = "$dir" ] || ! owed "${other%/}" || return 0
	done
	return 1
}
owe_nothing() {
	for other in "$state"/runs/*/; do
		! owed "${other%/}" || rm -rf "${other%/}/checkpoint"
	done
}
# A tool that hangs must not hold a node for ever.
put_back() { # CHECKPOINT LEFT RESTORED, and "$dir/late" where one took too long
	rm -f "$dir/late"
	put_all_back "$@" >>"$dir/log" 2>&1 &
	job=$!
	limit=$(meta run_timeout)
	beside=
	! hears || { watch $job "${limit:-300}" late 2>/dev/null & beside=$!; }
	wait $job
	back=$?
	unwatch "$beside"
	return $back
}
late() { put "$dir/late" "\"$2\" had not ended after $1 s."; }
put_back_at_last() { # a tool may be in somebody's way for a moment, or be killed
	for try in 1 2 3 4 5; do
		[ "$try" = 1 ] || sleep 1
		! put_back "$dir/checkpoint" "$dir/services.come" "$dir/services.gone" || return 0
		[ ! -e "$dir/late" ] || break
	done
	return 1
}
not_back="The checkpoint could not be put back; \"sh $state/runner restore\" tries it again."
# Of a first run that comes to nothing: the node is nobody's again.
disown() { [ ! -e "$dir/first" ] || rm -f "$state/project" "$state/layout" "$state/runner"; }
roll_back() { # REASON
	rm -f "$dir/reserve"
	end_rest worker
	end_rest guard
	put "$dir/reason" "$1"
	enter restoring
	if [ ! -s "$dir/journal" ] || put_back_at_last; then
		disown
		receipt rolled-back "$1"
		conclude rolled-back "$1"
	else
		why="$1 $not_back $(cat "$dir/late" 2>/dev/null)"
		receipt failed-changed "${why% }"
		conclude failed-changed "${why% }"
	fi
}
# Done twice, where the power went in between, it comes to the same.
merge_services() {
	table=$state/services.tsv
	[ -e "$table" ] || table=/dev/null
	awk -F "$tab" 'FILENAME != ARGV[3] { gone[$1, $2, $3]; next } !(($1, $2, $3) in gone)' \
		"$dir/services.gone" "$dir/services.come" "$table" |
		cat - "$dir/services.come" | sort | cat >"$dir/services.tsv"
}
forget_everything() { # an emptied node keeps nothing
	rm -rf "$state/confirmed" "$state/previous" "$state/receipts" "$state/host" \
		"$state/retired" "$state/lifted"
	rm -f "$state/services.tsv" "$state/project" "$state/layout" "$state/runner" "$state/reading"
	for other in "$state"/runs/*/; do
		[ "${other%/}" = "$dir" ] || [ ! -e "$other/outcome" ] || rm -rf "$other"
	done
}
# All that a commit stores, while there is still a way back should there be no room.
prepare_commit() {
	[ "$(meta absent)" != 1 ] || return 0
	merge_services && put "$dir/new.project" "$(meta project)" && put "$dir/new.layout" "$(meta layout)" &&
		cp "$dir/runner" "$dir/new.runner" &&
		cat "$dir/reading.head" "$dir/reading" >"$dir/new.reading" || return 1
	persist "$dir/services.tsv" "$dir"/new.*
	[ ! -d "$dir/after" ] || { cp "$dir/services.tsv" "$dir/meta" "$dir/after" && persist_tree "$dir/after"; }
}
# It can be begun again wherever it ended, and is: by the guard's heir, by the next run, at boot.
commit() {
	enter committing
	if [ "$(meta absent)" = 1 ]; then
		forget_everything
		conclude applied ""
		return
	fi
	[ ! -e "$dir/services.tsv" ] || mv "$dir/services.tsv" "$state/services.tsv"
	for name in project layout runner reading; do
		[ ! -e "$dir/new.$name" ] || mv "$dir/new.$name" "$state/$name"
	done
	if [ -d "$dir/after" ]; then
		if [ -d "$state/confirmed" ]; then
			rm -rf "$state/previous"
			mv "$state/confirmed" "$state/previous"
		fi
		mv "$dir/after" "$state/confirmed"
	fi
	persist "$state"/* "$state"
	owe_nothing
	outcome=$(meta outcome) detail=$(meta detail)
	receipt "${outcome:-applied}" "$detail"
	conclude "${outcome:-applied}" "$detail"
}
# With the lock taken, what other runs left: one that nobody finished goes on if it was confirmed,
# else back; the folder of a finished one stays a minute, for those who still ask how it ended.
recover() {
	for other in "$state"/runs/*/; do
		[ "${other%/}" = "$dir" ] || (
			dir=${other%/}
			if owed "$dir"; then
				roll_back "$(cat "$dir/reason")"
				# Where that fails again, a plan for what is there is the way forward.
				owed "$dir"
				exit
			elif [ -e "$dir/outcome" ]; then
				read -r boot_then then <"$dir/ended"
				[ "$boot_then" = "$(boot)" ] && [ $(($(uptime) - then)) -lt 60 ] || rm -rf "$dir"
				exit 0
			elif [ "$(cat "$dir/phase" 2>/dev/null)" = committing ]; then
				commit
			elif [ -e "$dir/phase" ]; then
				roll_back "The run ended in the middle."
			elif ended_early; then
				# The plan of now took the node for the first run's.
				[ ! -e "$dir/first" ]
				code=$?
				disown
				rm -rf "$dir"
				exit $code
			else
				exit 0
			fi
			[ ! -e "$dir/outcome" ]
		) || : >"$dir/recovered"
	done
}
# It never took the lock, or puts things back for people or at boot; nobody unpacks it any more.
# One that was refused says so before it ends.
ended_early() {
	[ -e "$dir/maker" ] || [ -e "$dir/worker" ] || return 1
	! running maker 2>/dev/null && ! running worker 2>/dev/null && [ ! -e "$dir/outcome" ]
}
adopt() { # a run that has no guard, or whose guard is gone: be its guard
	end_rest guard
	last=$(cat "$dir/guard" 2>/dev/null)
	# Somebody else may be by now; two would take what they put back from under each other.
	! running guard 2>/dev/null || return 0
	heir=$dir/heir.${last%% *}
	# Of many heirs, one; of one that was killed before it was the guard, the next.
	while { read -r pid start <"$heir"; } 2>/dev/null; do
		see_started "$pid"
		[ "$begun" != "$start" ] || return 0
		heir=$heir.$pid
	done
	put "$dir/heir.new.$$" "$$ $(started $$)" && ln "$dir/heir.new.$$" "$heir" 2>/dev/null || return 0
	guard || {
		rm -f "$heir"
		return 1
	}
}
