# svcform's runner: carries a program out on this node, or puts the node back.  POSIX sh.
#
#   runner begin DIR     unpack a bundle, start the run detached, follow it to the read-back
#   runner work DIR      the run itself: lock, check, checkpoint, rehearse, run, read back
#   runner guard DIR     commits the run when it is confirmed, else puts the checkpoint back
#   runner follow ID     after a lost connection: to the read-back, as begin does
#   runner confirm ID    over a new connection: the node can still be reached
#   runner check ID      confirms it itself where its own checks succeed, else rejects it
#   runner reject ID WHY the read-back is not what was planned, or nobody wants it
#   runner restore [WHEN]    the last confirmed state again, after a boot or a firewall's restart
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
meta() { # KEY: by the shell itself, for it is asked often
	while IFS=$tab read -r key value; do
		[ "$key" != "$1" ] || printf '%s\n' "$value"
	done <"$dir/meta"
}
now() { date -u +%Y-%m-%dT%H:%M:%SZ; }
# Who waits asks these all the time: by the shell itself, without a process.
see_uptime() { IFS=. read -r up _ </proc/uptime; }
uptime() { see_uptime && echo "$up"; }
# A zombie has ended: nothing for it.
see_started() { # PID: in clock ticks since the boot (proc(5)); nothing where there is no such process
	begun=
	{ read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
	# shellcheck disable=SC2086 # its fields
	set -- ${stat##*) }
	case $1 in
	[ZX]) ;;
	*) begun=${20} ;;
	esac
}
started() { # PID
	see_started "$1"
	[ -z "$begun" ] || echo "$begun"
}
boot() { read -r id </proc/sys/kernel/random/boot_id && echo "$id"; }
syslog() { ! has logger || logger -t svcform -- "$1" 2>/dev/null; }
pause() { # FILE...: a tenth of a second, or until one of them is there
	[ $# -gt 0 ] || {
		sleep 0.1 2>/dev/null || sleep 1
		return 0
	}
	for _ in 1 2; do
		sleep 0.05 2>/dev/null || sleep 1
		for awaited; do
			[ ! -e "$awaited" ] || return 0
		done
	done
}
# Busybox and old coreutils can't sync one file.
persist() { sync "$@" 2>/dev/null || sync; }
persist_tree() { # what lies deeper may be too many files for a command's words
	tree=$1
	set -- "$tree"/*/*/*/*
	[ ! -e "$1" ] || {
		persist
		return
	}
	set --
	for file in "$tree"/*/*/* "$tree"/*/* "$tree"/* "$tree"; do
		[ ! -e "$file" ] || set -- "$@" "$file"
	done
	persist "$@"
}

put() { # FILE TEXT: whole or not at all; with the room that a run has set aside where there is none
	{ printf '%s\n' "$2" >"$1.new" || { rm -f "$dir/reserve" && printf '%s\n' "$2" >"$1.new"; }; } \
		2>/dev/null && mv "$1.new" "$1"
}
enter() { # PHASE: on disk before what it announces
	put "$dir/phase" "$1" && persist "$dir/phase" "$dir"
}
# Out of the session, which may be ended with all that is in it (logind's KillUserProcesses=yes).
by_systemd() { # VERB DIR
	[ -d /run/systemd/system ] && has systemd-run || return 1
	# With SIGPIPE ignored, as systemd has it, whoever writes to a pipe that was left complains.
	set -- --quiet --property=IgnoreSIGPIPE=no --unit="svcform-$1-$(meta run)" --setenv=SVCFORM_STATE="$state" \
		/bin/sh "$dir/runner" "$@"
	# systemd 235 and older don't know --collect.
	systemd-run --collect "$@" || systemd-run "$@"
}
by_systemd_still() { # VERB
	[ -d /run/systemd/system ] && systemctl -q is-active "svcform-$1-$(meta run).service"
}
detached() { # VERB DIR
	! by_systemd "$@" 2>>"$dir/log" || return 0
	if has setsid; then
		setsid sh "$dir/runner" "$@" </dev/null >/dev/null 2>&1 &
	else
		(
			trap '' HUP INT TERM
			exec sh "$dir/runner" "$@" </dev/null >/dev/null 2>&1
		) &
	fi
}
