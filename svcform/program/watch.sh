# ---- who waits too long, and for what: told on standard error, a line "svcform-remark" each

# As a tree is read: a pipeline's commands in their order, each before what it has started.
descendants() { # PID BUT: with their start times, without those of BUT
	cat /proc/[0-9]*/stat 2>/dev/null | awk -v root="$1" -v but="$2" '
		/^[0-9]+ \(/ { pid = $1; sub(/^.*\) /, ""); parent[pid] = $2; since[pid] = $20 }
		END {
			for (pid in parent) {
				path = ""
				for (p = pid; p in parent && p != root && p != but; p = parent[p])
					path = sprintf("%015.0f.%010.0f/", since[p], p) path
				if (p == root && pid != root) print path, pid, since[pid]
			}
		}' | sort | cut -d ' ' -f 2,3
}
command_line() { tr '\0\n\t' '   ' <"/proc/$1/cmdline" 2>/dev/null; }
# The first below a shell that is neither its copy nor svcform's own.
awaited() { # PID BUT: for how many seconds it has run, in which section, and its command line
	own=$(command_line "$1")
	IFS=. read -r up _ </proc/uptime
	descendants "$1" "$2" | while read -r pid since; do
		line=$(command_line "$pid")
		case $line in
		'' | "$own" | "sh $state/"* | "gzip -1 -c " | "sleep 5 " | "sleep 1 " | "sleep 0."*) continue ;;
		esac
		section=$(tr '\0' '\n' 2>/dev/null <"/proc/$pid/environ" | sed -n 's/^SVCFORM_SECTION=//p')
		# A second has 100 of proc(5)'s clock ticks on all architectures that Debian still has.
		printf '%s %.100s\n' $((up - since / 100)) "${section:+$section: }${line% }"
		break
	done
}
remark() { # WHAT SECONDS COMMAND
	printf 'svcform-remark\t%s\t%s\t%s\n' "$1" "$2" "$(printf %s "$3" | tr -c '[:print:]' '?')" >&2
}
# Where a login shell's start-up file has USR1 ignored, it stays so (POSIX, 2.11), and nobody watches.
hears() {
	read -r stat </proc/self/stat
	# shellcheck disable=SC2086 # its fields; the 33rd is what is ignored
	set -- ${stat##*) }
	[ $((${31} & 512)) = 0 ]
}
# In the background, until "unwatch".  One command that runs for LIMIT seconds ends the shell that
# waits for it with all below, and what ENDING does comes after that.
watch() { # PID LIMIT ENDING
	read -r self _ </proc/self/stat
	trap 'kill $! 2>/dev/null; exit 0' USR1
	while sleep 5 >/dev/null 2>&1 & wait $! && [ -d "/proc/$1" ]; do
		found=$(awaited "$1" "$self")
		age=${found%% *} found=${found#* }
		[ "${age:-0}" -ge 3 ] || continue
		if [ "$age" -lt "$2" ]; then
			remark waiting "$age" "$found"
			continue
		fi
		# Who waits for the job hears of its end at once, and calls this off before it is said why.
		trap '' USR1
		below=$(descendants "$1" "$self" | cut -d ' ' -f 1)
		# shellcheck disable=SC2086 # one word for each
		kill -9 "$1" $below 2>/dev/null
		"$3" "$age" "$found"
		exit 0
	done
}
unwatch() { # PID, or nothing
	[ -z "$1" ] || { kill -USR1 "$1" && wait "$1"; } 2>/dev/null
	return 0
}
