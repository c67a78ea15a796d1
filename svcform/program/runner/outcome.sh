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
	mine=$(meta run)
	[ -n "$mine" ] && [ "$(sed -n "s/^run$tab//p" "$state/lock" 2>/dev/null)" = "$mine" ] || return 1
	printf 'process\t%s\n' "$$ $(started $$)" >>"$state/lock"
	# Released just now, the lock would come back as this one line.
	grep -q "^run$tab" "$state/lock" || rm -f "$state/lock"
	guard
}
