# ---- the run

refuse() { # OUTCOME DETAIL: before anything was changed
	unwatch "$watcher"
	put "$dir/detail" "$2"
	disown
	release_lock
	put "$dir/ended" "$(boot) $(uptime)"
	put "$dir/outcome" "$1"
	exit 0
}
stale() { # with a reading, for the controller to say what moved
	read_back >"$dir/answer" 2>>"$dir/log"
	refuse stale "$1"
}
give_up() { # SECONDS COMMAND: there is no guard yet
	refuse error "\"$2\" had not ended after $1 s; nothing was changed."
}
fail() {
	put "$dir/failed" "$1"
	stand_by
}
check_owner() {
	id=$(cat /etc/machine-id 2>/dev/null || cat /var/lib/dbus/machine-id 2>/dev/null)
	[ "$(meta machine)" = "$id" ] || refuse refused "This is another machine than at the time of the plan."
	project=$(cat "$state/project" 2>/dev/null)
	# Emptied since; whether all that was to go is gone is for the controller to see.
	[ "$(meta absent)" != 1 ] || [ -z "$(meta found_project)" ] || [ -n "$project" ] ||
		[ -e "$state/services.tsv" ] || stale "The node moved since the plan was made."
	[ "$(meta found_project)" = "$project" ] || [ "$(meta project)" = "$project" ] ||
		refuse refused "The node belongs to project ${project:-none}, which it did not at the time of the plan."
	layout=$(cat "$state/layout" 2>/dev/null || echo 0)
	[ "$(meta found_layout)" = "$layout" ] || [ "$(meta layout)" = "$layout" ] ||
		refuse refused "The node's layout is $layout, which it was not at the time of the plan."
}
sum() { sha256sum | cut -d ' ' -f 1; }
fingerprints() { # the digest of what each fingerprint script prints
	for script in "$dir"/fingerprint.*.script; do
		[ -e "$script" ] || break
		sh "$script" <"${script%.script}.operands" 2>>"$dir/log" | sum
	done
}
rows_moved() { # rows of the table that are not as they were planned from
	awk -F "$tab" 'FILENAME == ARGV[1] { live[$1, $2, $3] = $0; next }
		FILENAME == ARGV[2] { if (live[$1, $2, $3] != $0) print; seen[$1, $2, $3]; next }
		!(($1, $2, $3) in seen) && (($1, $2, $3) in live) { print }' \
		"$dir/services.now" "$dir/services.gone" "$dir/services.come"
}
check_fresh() {
	cat "$state/services.tsv" >"$dir/services.now" 2>/dev/null
	fingerprints >"$dir/prints"
	last=$(ls "$state/receipts" 2>/dev/null | grep -v '[.]' | tail -n 1)
	if grep -qsx "plan$tab$(meta plan)" "$state/receipts/$last" &&
		grep -qx "outcome${tab}applied" "$state/receipts/$last" &&
		cmp_files "$dir/prints" "$state/confirmed/prints"; then
		refuse already-applied ""
	fi
	if [ -n "$(rows_moved)" ] || ! cmp_files "$dir/prints" "$dir/fingerprints"; then
		stale "The node moved since the plan was made."
	fi
}
cmp_files() { [ -e "$2" ] && [ "$(sum <"$1")" = "$(sum <"$2")" ]; }
checkpoint() { # INTO RUN: the folder of the run that made the state, or nothing
	mkdir -p "$1" && cp "$dir/order" "$dir/connections" "$1" || return 1
	for backend in $(cut -f 2 "$dir/order"); do
		mkdir -p "$1/$backend" && cp "$dir/checkpoint.$backend.restore" "$1/$backend.restore" &&
			sh "$dir/checkpoint.$backend.save" "$1/$backend" "$2" >>"$dir/log" 2>&1 || return 1
	done
	persist_tree "$1"
}
ended() { # why the reading was, as its last remark has it
	tail -n 1 "$dir/log" | awk -F "$tab" '$2 == "ended" { print "\"" $4 "\" had not ended after " $3 " s." }'
}
read_back() { printf '%s\n%s\n' "$(meta nonce)" "$(meta form)" | sh "$dir/reading"; }
is_at() { { printf '%s\n' "$1" >"$dir/at"; } 2>/dev/null; } # for who asks what takes so long
run_one() { # FILE WHAT: the last words of a step that fails
	is_at "$2"
	given=$dir/${1%.*}.stdin
	[ -e "$given" ] || given=${given%.stdin}.file
	sh "$dir/$1" <"$given" >"$dir/said" 2>&1
	code=$?
	cat "$dir/said" >>"$dir/log"
	[ "$code" = 0 ] || fail "$2 failed with exit code $code: $(tail -c 400 "$dir/said" | tr '\n' ' ')"
}
each_step() { cut -f 1 "$dir/steps"; }
summary() { sed -n "s/^$1$tab[^$tab]*$tab//p" "$dir/steps"; }
run_steps() {
	for step in $(each_step); do
		[ ! -e "$dir/step.$step.rehearsal" ] ||
			run_one "step.$step.rehearsal" "The rehearsal of \"$(summary "$step")\""
	done
	for step in $(each_step); do
		running guard || fail "The guard was killed."
		# Without a line here nobody knows that there is something to put back.
		printf 'start %s %s\n' "$step" "$(summary "$step")" >>"$dir/journal" ||
			fail "There is no room in $state."
		persist "$dir/journal"
		run_one "step.$step.command" "\"$(summary "$step")\""
		printf 'done %s\n' "$step" >>"$dir/journal"
	done
}
stand_by() { # until the guard has decided; in its place if it is gone
	while [ -d "$dir" ] && [ ! -e "$dir/outcome" ]; do
		running guard || adopt
		pause
	done
	exit 0
}
# Whose node it is stands there before anything that is found there later, whatever happens, and what
# a boot in the middle of the first run needs.  After a power cut an empty file would be nobody's.
claim() {
	[ ! -e "$state/project" ] || [ ! -e "$state/runner" ] || return 0
	put "$dir/new.project" "$(meta project)" && put "$dir/new.layout" "$(meta layout)" &&
		cp "$dir/runner" "$dir/new.runner" || return 1
	[ -e "$state/project" ] || : >"$dir/first"
	persist "$dir"/new.* "$dir"
	for name in project layout runner; do
		[ -e "$state/$name" ] || mv "$dir/new.$name" "$state/$name" || return 1
	done
}
work() {
	trap '' HUP INT
	watcher=
	put "$dir/worker" "$$ $(started $$)"
	take_lock || {
		[ -e "$dir/taken" ] && refuse lock-held "$(holder "$dir/taken")"
		refuse error "The lock can't be taken in $state."
	}
	recover
	[ ! -e "$dir/recovered" ] ||
		stale "An earlier run had ended in the middle, and $(others_are_owed && echo "could not be" || echo was) put in order."
	! hears || { watch $$ "$(meta run_timeout)" give_up 2>/dev/null & watcher=$!; }
	check_owner
	check_fresh
	checkpoint "$dir/checkpoint" "" || refuse error "The checkpoint can't be made: $(tail -n 1 "$dir/log")"
	# Room for what ends a run, should the disk fill up: listings, and the words; files are in neither.
	head -c $((65536 + 5 * $(cat "$dir"/checkpoint/*/* "$dir"/step.*.stdin "$state/services.tsv" 2>/dev/null | wc -c))) \
		/dev/zero | cat >"$dir/reserve" && : >"$dir/journal" || refuse error "There is no room in $state."
	claim || refuse error "There is no room in $state."
	persist "$state"/* "$state" "$dir/meta" "$dir/connections" "$dir"/services.*
	unwatch "$watcher"
	watcher=
	enter running || refuse error "There is no room in $state."
	detached guard "$dir"
	tries=0
	until running guard 2>/dev/null; do
		tries=$((tries + 1))
		[ $tries -lt 100 ] || by_systemd_still guard || fail "The guard does not start."
		pause "$dir/guard"
	done
	syslog "start run=$(meta run) plan=$(meta plan) who=$(meta who) source=$(meta source)"
	run_steps
	is_at "the read-back"
	read_back >"$dir/answer" 2>>"$dir/log" || fail "The read-back failed. $(ended)"
	checkpoint "$dir/after" "$dir" && fingerprints >"$dir/after/prints" && prepare_commit ||
		fail "The new state can't be stored."
	uptime >"$dir/awaiting"
	enter awaiting || fail "There is no room in $state."
	stand_by
}
