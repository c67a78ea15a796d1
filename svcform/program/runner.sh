# svcform's runner: carries a program out on this node, or puts the node back.  POSIX sh.
#
#   runner begin DIR     unpack a bundle, start the run detached, follow it to the read-back
#   runner work DIR      the run itself: lock, check, checkpoint, rehearse, run, read back
#   runner guard DIR     commits the run when it is confirmed, else puts the checkpoint back
#   runner confirm ID    over a new connection: the node can still be reached
#   runner reject ID     the read-back is not what was planned
#   runner status | history | undo | unlock      for people
#
# A run's folder, $state/runs/ID, is its journal: meta, checkpoint/, journal, phase, outcome.
# Only one process decides, the guard; who outlives it takes its place.
umask 077
LC_ALL=C
export LC_ALL
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
state=${SVCFORM_STATE:-/var/lib/svcform}
SVCFORM_STATE=$state
export SVCFORM_STATE
tab='	'

has() { command -v "$1" >/dev/null 2>&1; }
meta() { sed -n "s/^$1$tab//p" "$dir/meta"; }
now() { date -u +%Y-%m-%dT%H:%M:%SZ; }
uptime() { cut -d . -f 1 /proc/uptime; }
# A zombie has ended: nothing for it.
started() { sed -n 's/.*) \([^ZX] .*\)/\1/p' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20; }
boot() { cat /proc/sys/kernel/random/boot_id; }
syslog() { ! has logger || logger -t svcform -- "$1" 2>/dev/null; }
pause() { sleep 0.1 2>/dev/null || sleep 1; }
# Busybox and old coreutils can't sync one file.
persist() { sync "$@" 2>/dev/null || sync; }

put() { # FILE TEXT: whole or not at all
	printf '%s\n' "$2" >"$1.new" && mv "$1.new" "$1"
}
enter() { # PHASE: on disk before what it announces
	put "$dir/phase" "$1" && persist "$dir/phase" "$dir"
}
detached() {
	if has setsid; then
		setsid sh "$dir/runner" "$@" </dev/null >>"$dir/log" 2>&1 &
	else
		(
			trap '' HUP INT TERM
			exec sh "$dir/runner" "$@" </dev/null >>"$dir/log" 2>&1
		) &
	fi
}

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
	[ -n "$name" ] || return 0
	alive "$state/lock" && return 1
	mkdir "$state/broken.$name" 2>/dev/null || return 1
	[ "$(sed -n "s/^run$tab//p" "$state/lock" 2>/dev/null)" = "$name" ] && rm -f "$state/lock"
	return 0
}
take_lock() {
	printf '%s\t%s\n' run "$(meta run)" plan "$(meta plan)" who "$(meta who)" \
		source "$(meta source)" since "$(now)" boot "$(boot)" \
		process "$$ $(started $$)" >"$dir/lock" || return 1
	tries=0
	until ln "$dir/lock" "$state/lock" 2>/dev/null; do
		tries=$((tries + 1))
		[ $tries -le 50 ] || return 1
		break_stale || { alive "$state/lock" && return 1; } || pause
	done
	rm -rf "$state"/broken.*
}
release_lock() {
	[ "$(sed -n "s/^run$tab//p" "$state/lock" 2>/dev/null)" = "$(meta run)" ] && rm -f "$state/lock"
}

# ---- what is decided

receipt() { # OUTCOME DETAIL
	mkdir -p "$state/receipts" || return 1
	last=$(ls "$state/receipts" | grep -v '[.]' | tail -n 1 | sed 's/^0*//')
	file=$state/receipts/$(printf '%08d' $((${last:-0} + 1)))
	printf '%s\t%s\n' run "$(meta run)" plan "$(meta plan)" project "$(meta project)" \
		layout "$(meta layout)" before "$(meta before)" after "$(meta after)" \
		who "$(meta who)" source "$(meta source)" when "$(now)" outcome "$1" detail "$2" \
		>"$file.new" && mv "$file.new" "$file"
	ls "$state/receipts" | grep -v '[.]' | sort -r | tail -n +11 | while read -r old; do
		rm -f "$state/receipts/$old"
	done
}
conclude() { # OUTCOME DETAIL: the last act of every run
	decided=1
	put "$dir/detail" "$2"
	put "$dir/ended" "$(boot) $(uptime)"
	put "$dir/outcome" "$1"
	persist "$dir/outcome"
	release_lock
	rm -rf "$dir"/step.* "$dir"/fingerprint.* "$dir/checkpoint" "$dir/after" "$dir"/reading* "$dir/answer"
	syslog "end run=$(meta run) plan=$(meta plan) outcome=$1 $2"
}
put_back() { # CHECKPOINT LEFT RESTORED: its backends in reverse order; rows that go and come back
	failed=0
	for backend in $(sort -rn "$1/order" | cut -f 2); do
		sh "$1/$backend.restore" "$1/$backend" >>"$dir/log" 2>&1 || failed=1
	done
	[ ! -e "$1/connections" ] || sh "$1/connections" "$2" "$3" >>"$dir/log" 2>&1 || failed=1
	return $failed
}
roll_back() { # REASON
	rm -f "$dir/reserve"
	enter restoring
	if [ ! -s "$dir/journal" ] ||
		put_back "$dir/checkpoint" "$dir/services.come" "$dir/services.gone"; then
		[ ! -e "$dir/first" ] || rm -f "$state/project" "$state/layout"
		receipt rolled-back "$1"
		conclude rolled-back "$1"
	else
		receipt failed-changed "$1 The checkpoint could not be put back."
		conclude failed-changed "$1 The checkpoint could not be put back."
	fi
}
merge_services() {
	[ -e "$state/services.tsv" ] || : >"$state/services.tsv"
	awk -F "$tab" 'FILENAME == ARGV[1] { gone[$1, $2, $3]; next } !(($1, $2, $3) in gone)' \
		"$dir/services.gone" "$state/services.tsv" | cat - "$dir/services.come" | sort \
		>"$dir/services.tsv"
}
forget_everything() { # an emptied node keeps nothing
	rm -rf "$state/confirmed" "$state/previous" "$state/receipts" "$state/host"
	rm -f "$state/services.tsv" "$state/project" "$state/layout" "$state/runner" "$state/reading"
	for other in "$state"/runs/*/; do
		[ "${other%/}" = "$dir" ] || [ ! -e "$other/outcome" ] || rm -rf "$other"
	done
}
commit() {
	enter committing
	if [ "$(meta absent)" = 1 ]; then
		forget_everything
		conclude applied ""
		return
	fi
	merge_services && mv "$dir/services.tsv" "$state/services.tsv"
	put "$state/project" "$(meta project)"
	put "$state/layout" "$(meta layout)"
	cp "$dir/runner" "$state/runner.new" && mv "$state/runner.new" "$state/runner"
	cat "$dir/reading.head" "$dir/reading" >"$state/reading.new" && mv "$state/reading.new" "$state/reading"
	if [ -d "$dir/after" ]; then
		cp "$state/services.tsv" "$dir/meta" "$dir/after"
		rm -rf "$state/previous"
		[ ! -d "$state/confirmed" ] || mv "$state/confirmed" "$state/previous"
		mv "$dir/after" "$state/confirmed"
		persist "$state/confirmed"
	fi
	receipt applied ""
	conclude applied ""
}
# With the lock taken, what other runs left: one that nobody finished goes on if it was confirmed,
# else back; the folder of a finished one stays a minute, for those who still ask how it ended.
recover() {
	for other in "$state"/runs/*/; do
		[ "${other%/}" = "$dir" ] || (
			dir=${other%/}
			if [ -e "$dir/outcome" ]; then
				read -r boot_then then <"$dir/ended"
				[ "$boot_then" = "$(boot)" ] && [ $(($(uptime) - then)) -lt 60 ] || rm -rf "$dir"
				exit 0
			elif [ "$(cat "$dir/phase" 2>/dev/null)" = committing ]; then
				commit
			elif [ -e "$dir/phase" ]; then
				roll_back "The run ended in the middle."
			fi
			[ ! -e "$dir/outcome" ]
		) || : >"$dir/recovered"
	done
}
adopt() { # a run whose processes are gone: be its guard
	[ "$(sed -n "s/^run$tab//p" "$state/lock" 2>/dev/null)" = "$(meta run)" ] || return 1
	printf 'process\t%s\n' "$$ $(started $$)" >>"$state/lock"
	guard
}

# ---- the guard

guard() {
	decided=0
	end=$(($(uptime) + $(meta run_timeout)))
	while [ "$decided" = 0 ] && [ ! -e "$dir/outcome" ]; do
		watch_once
		pause
	done
}
watch_once() {
	phase=$(cat "$dir/phase" 2>/dev/null)
	if [ -e "$dir/failed" ]; then
		roll_back "$(cat "$dir/failed")"
	elif [ -e "$dir/rejected" ]; then
		roll_back "The read-back was rejected: it is not what was planned."
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

# ---- the run

refuse() { # OUTCOME DETAIL: before anything was changed
	put "$dir/detail" "$2"
	release_lock
	put "$dir/outcome" "$1"
	exit 0
}
stale() { # with a reading, for the controller to say what moved
	read_back >"$dir/answer" 2>>"$dir/log"
	refuse stale "$1"
}
fail() {
	put "$dir/failed" "$1" 2>/dev/null || { rm -f "$dir/reserve" && put "$dir/failed" "$1"; }
	stand_by
}
check_owner() {
	id=$(cat /etc/machine-id 2>/dev/null || cat /var/lib/dbus/machine-id 2>/dev/null)
	[ "$(meta machine)" = "$id" ] || refuse refused "This is another machine than at the time of the plan."
	project=$(cat "$state/project" 2>/dev/null)
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
checkpoint() { # INTO
	mkdir -p "$1" && cp "$dir/order" "$dir/connections" "$1" || return 1
	for backend in $(cut -f 2 "$dir/order"); do
		mkdir -p "$1/$backend" && cp "$dir/checkpoint.$backend.restore" "$1/$backend.restore" &&
			sh "$dir/checkpoint.$backend.save" "$1/$backend" >>"$dir/log" 2>&1 || return 1
	done
	persist "$1"
}
read_back() { printf '%s\n%s\n' "$(meta nonce)" "$(meta form)" | sh "$dir/reading"; }
run_one() { # FILE WHAT: the last words of a step that fails
	sh "$dir/$1" <"$dir/${1%.*}.stdin" >"$dir/said" 2>&1
	code=$?
	cat "$dir/said" >>"$dir/log"
	[ "$code" = 0 ] || fail "$2 failed with exit code $code: $(tail -c 400 "$dir/said" | tr '\n' ' ')"
}
each_step() { cut -f 1 "$dir/steps"; }
summary() { sed -n "s/^$1$tab//p" "$dir/steps"; }
run_steps() {
	for step in $(each_step); do
		[ ! -e "$dir/step.$step.rehearsal" ] ||
			run_one "step.$step.rehearsal" "The rehearsal of \"$(summary "$step")\""
	done
	for step in $(each_step); do
		running guard || fail "The guard was killed."
		printf 'start %s %s\n' "$step" "$(summary "$step")" >>"$dir/journal"
		persist "$dir/journal"
		run_one "step.$step.command" "\"$(summary "$step")\""
		printf 'done %s\n' "$step" >>"$dir/journal"
	done
}
stand_by() { # until the guard has decided; in its place if it is gone
	while [ ! -e "$dir/outcome" ]; do
		running guard || adopt
		pause
	done
	exit 0
}
work() {
	trap '' HUP INT
	put "$dir/worker" "$$ $(started $$)"
	take_lock || {
		[ -e "$state/lock" ] && refuse lock-held "$(holder "$state/lock")"
		refuse error "The lock can't be taken in $state."
	}
	recover
	[ ! -e "$dir/recovered" ] || stale "An earlier run had ended in the middle, and was put in order."
	check_owner
	check_fresh
	checkpoint "$dir/checkpoint" || refuse error "The checkpoint can't be made: $(tail -n 1 "$dir/log")"
	# Room for the words that end a run, should the disk fill up.
	head -c 65536 /dev/zero >"$dir/reserve" && : >"$dir/journal" || refuse error "There is no room in $state."
	# Whose node it is stands there before anything that is found there later, whatever happens.
	[ -e "$state/project" ] || {
		: >"$dir/first" && put "$state/project" "$(meta project)" && put "$state/layout" "$(meta layout)"
	}
	enter running || refuse error "There is no room in $state."
	detached guard "$dir"
	put "$dir/guard" "$! $(started $!)"
	printf 'process\t%s\n' "$(cat "$dir/guard")" >>"$state/lock"
	syslog "start run=$(meta run) plan=$(meta plan) who=$(meta who) source=$(meta source)"
	run_steps
	read_back >"$dir/answer" 2>>"$dir/log" || fail "The read-back failed."
	checkpoint "$dir/after" && fingerprints >"$dir/after/prints" || fail "The new state can't be stored."
	uptime >"$dir/awaiting"
	enter awaiting || fail "There is no room in $state."
	stand_by
}

# ---- begin and confirm: the side that a person or a controller sees

unpack() {
	read -r _ _ _ header _ count _ <"$dir/bundle"
	offset=$((header + 1))
	head -n $((count + 1)) "$dir/bundle" | tail -n +2 | while read -r size name; do
		tail -c "+$offset" "$dir/bundle" | head -c "$size" >"$dir/$name" || exit 1
		offset=$((offset + size))
	done || return 1
	rm -f "$dir/bundle"
}
begin() {
	unpack || {
		rm -rf "$dir"
		printf 'outcome\terror\ndetail\tThe bundle can not be unpacked in %s.\n\n' "$state"
		exit 1
	}
	id=$(meta run)
	mv "$dir" "$state/runs/$id" && dir=$state/runs/$id
	detached work "$dir"
	child=$!
	while [ ! -e "$dir/outcome" ] && [ "$(cat "$dir/phase" 2>/dev/null)" != awaiting ]; do
		[ -d "/proc/$child" ] || [ -e "$dir/guard" ] || [ -e "$dir/outcome" ] || break
		pause
	done
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
	: >"$dir/$1"
	tries=0
	while [ ! -e "$dir/outcome" ] && [ $tries -lt 3000 ]; do
		running guard || running worker || adopt
		pause
		tries=$((tries + 1))
	done
	answer "$dir"
	# An emptied node keeps nothing, not even the run that emptied it.
	[ "$(meta absent)$(cat "$dir/outcome")" != 1applied ] || rm -rf "$dir"
	rmdir "$state/runs" "$state" 2>/dev/null
	exit 0
}

# ---- for people

history() {
	for file in "$state"/receipts/[0-9]*; do
		[ -e "$file" ] || break
		awk -F "$tab" '{ v[$1] = $2 } END {
			print v["when"], v["outcome"], "plan", substr(v["plan"], 1, 12), "by", v["who"], "from", v["source"], v["detail"]
		}' "$file"
	done
}
status() {
	printf 'project %s, layout %s, %s Service ports\n' "$(cat "$state/project" 2>/dev/null || echo none)" \
		"$(cat "$state/layout" 2>/dev/null || echo 0)" "$(cat "$state/services.tsv" 2>/dev/null | wc -l)"
	if [ ! -e "$state/lock" ]; then
		echo "no lock"
	elif alive "$state/lock"; then
		printf 'locked by %s\n' "$(holder "$state/lock")"
	else
		printf 'a lock was left behind by %s\n' "$(holder "$state/lock")"
	fi
	history | tail -n 1
}
undo() {
	[ -d "$state/previous" ] || {
		echo "There is no state of before to go back to." >&2
		exit 1
	}
	dir=$(mktemp -d "$state/runs/undo.XXXXXX") || exit 1
	printf '%s\t%s\n' run "${dir##*/}" plan "" who "$(id -un 2>/dev/null)" source console \
		project "$(cat "$state/project")" layout "$(cat "$state/layout")" \
		after "$(sed -n "s/^after$tab//p" "$state/previous/meta" 2>/dev/null)" >"$dir/meta"
	take_lock || {
		rm -rf "$dir"
		echo "The node is locked by $(holder "$state/lock")." >&2
		exit 6
	}
	recover
	put_back "$state/previous" "$state/services.tsv" "$state/previous/services.tsv" || {
		receipt failed-changed "Undone by hand, and the state of before could not be put back."
		conclude failed-changed "undo"
		cat "$dir/log" >&2
		exit 5
	}
	cp "$state/previous/services.tsv" "$state/services.tsv"
	mv "$state/confirmed" "$dir/confirmed" && mv "$state/previous" "$state/confirmed"
	mv "$dir/confirmed" "$state/previous"
	receipt restored "Undone by hand."
	conclude restored "undo"
	rm -rf "$dir"
	echo "The node is back in its state of before."
}
unlock() {
	[ ! -e "$state/lock" ] || ! alive "$state/lock" || {
		echo "The node is locked by $(holder "$state/lock"), which still runs." >&2
		exit 6
	}
	rm -rf "$state/lock" "$state"/broken.*
}

case $1 in
begin | work | guard) dir=$2 && "$1" ;;
confirm) dir=$state/runs/$2 && decide confirmed ;;
reject) dir=$state/runs/$2 && decide rejected ;;
status | history | undo | unlock) "$1" ;;
*) echo "usage: sh $0 status|history|undo|unlock" >&2 && exit 1 ;;
esac
