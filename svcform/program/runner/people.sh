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
	# A login ends with its connection, which this may cut.
	trap '' HUP INT
	[ -d "$state/previous" ] || {
		echo "There is no state of before to go back to." >&2
		exit 1
	}
	mkdir -p "$state/runs" && dir=$(mktemp -d "$state/runs/undo.XXXXXX") || exit 1
	put "$dir/maker" "$$ $(started $$)"
	printf '%s\t%s\n' run "${dir##*/}" plan "" who "$(id -un 2>/dev/null)" source console \
		project "$(cat "$state/project")" layout "$(cat "$state/layout")" \
		after "$(sed -n "s/^after$tab//p" "$state/previous/meta" 2>/dev/null)" \
		outcome restored detail "Undone by hand." >"$dir/meta"
	take_lock || {
		echo "The node is locked by $(holder "$dir/taken")." >&2
		rm -rf "$dir"
		exit 6
	}
	recover
	put_back "$state/previous" "$state/services.tsv" "$state/previous/services.tsv" &&
		cp "$state/previous/services.tsv" "$dir/services.tsv" && mv "$state/previous" "$dir/after" || {
		receipt failed-changed "Undone by hand, and the state of before could not be put back."
		conclude failed-changed "undo"
		cat "$dir/log" >&2
		exit 5
	}
	commit
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
