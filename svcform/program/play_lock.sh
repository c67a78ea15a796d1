# The lock of a play, on its first node by name: it keeps two applies from crossing.
# No process holds it: $state/play.lock names a run, and $state/play.lease.RUN says until when it
# counts, in seconds since boot.  The controller renews the lease; if it dies, the lease runs out.
# Standard input, each on a line: take|renew|release|unlock, run, seconds, plan, who, source.
umask 077
LC_ALL=C
export LC_ALL
state=${SVCFORM_STATE:-/var/lib/svcform}
lock=$state/play.lock
tab='	'
IFS= read -r word
IFS= read -r run
IFS= read -r seconds
IFS= read -r plan
IFS= read -r who
IFS= read -r source
case $run in '' | *[!0-9A-Za-z.]*) exit 64 ;; esac
case $seconds in '' | *[!0-9]*) exit 64 ;; esac

field() { sed -n "s/^$1$tab//p" "$lock" 2>/dev/null; }
boot() { cat /proc/sys/kernel/random/boot_id; }
uptime() { cut -d . -f 1 /proc/uptime; }
pause() { sleep 0.1 2>/dev/null || sleep 1; }
alive() {
	[ "$(field boot)" = "$(boot)" ] || return 1
	end=$(cat "$state/play.lease.$(field run)" 2>/dev/null)
	[ "$(uptime)" -lt "${end:-0}" ]
}
lease() { # in a file of the run's own: an old run can't prolong a new one's
	printf '%s\n' $(($(uptime) + seconds)) >"$state/play.lease.new.$run" &&
		mv "$state/play.lease.new.$run" "$state/play.lease.$run"
}
# Whoever makes the folder with the stale lock's name may take that lock away, and no other.
break_stale() {
	name=$(field run)
	[ -n "$name" ] || return 0
	alive && return 1
	mkdir "$state/play.broken.$name" 2>/dev/null || return 1
	[ "$(field run)" != "$name" ] || rm -f "$lock" "$state/play.lease.$name"
}
leave() { # ANSWER...
	rm -f "$state/play.new.$run"
	[ "$(field run)" = "$run" ] || rm -f "$state/play.lease.$run"
	rmdir "$state" 2>/dev/null
	[ $# -eq 0 ] || printf '%s\t%s\n' "$1" "$2"
	exit 0
}
take() {
	mkdir -p "$state" && chmod 700 "$state" && lease && printf '%s\t%s\n' run "$run" plan "$plan" \
		who "$who" source "$source" since "$(date -u +%Y-%m-%dT%H:%M:%SZ)" boot "$(boot)" \
		>"$state/play.new.$run" || leave error "The play's lock can't be taken in $state."
	tries=0
	until ln "$state/play.new.$run" "$lock" 2>/dev/null; do
		tries=$((tries + 1))
		[ $tries -le 50 ] || leave error "The play's lock can't be taken in $state."
		# Who broke it has died over it: that takes a moment only.
		[ $tries != 25 ] || rmdir "$state"/play.broken.* 2>/dev/null
		break_stale || { alive && leave held "$(holder)"; } || pause
	done
	rm -rf "$state"/play.broken.*
	leave taken ""
}
holder() {
	awk -F "$tab" '{ v[$1] = $2 } END {
		print v["who"] " from " v["source"] " since " v["since"] " (plan " substr(v["plan"], 1, 12) ")"
	}' "$lock"
}
renew() {
	[ "$(field run)" = "$run" ] && alive && lease && leave renewed ""
	leave lost ""
}
release() {
	[ "$(field run)" != "$run" ] || rm -f "$lock"
	leave released ""
}
unlock() { # the node's lock, which a run left behind whose processes are gone
	[ "$(sed -n "s/^run$tab//p" "$state/lock" 2>/dev/null)" != "$run" ] || rm -f "$state/lock"
	rm -rf "$state"/broken.* "$state"/play.broken.*
	leave released ""
}

case $word in
take | renew | release | unlock) "$word" ;;
*) exit 64 ;;
esac
