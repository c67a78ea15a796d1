# ---- after a boot, and when a firewall has started again

# A service that a run is just starting has nothing to put back: the run does all of it.
started_by_run() { # WHEN
	[ -n "$1" ] && [ -e "/run/svcform/starting.$1" ] || return 1
	starter=$(cat "/run/svcform/starting.$1")
	rm -f "/run/svcform/starting.$1"
	[ -n "$starter" ] && [ "$starter" = "$(sed -n "s/^run$tab//p" "$state/lock" 2>/dev/null)" ] &&
		alive "$state/lock"
}
wait_for_lock() { # as long as a run may take: a firewall can start again in the middle of one
	limit=0
	end=$(uptime)
	until take_lock; do
		held=$state/runs/$(sed -n "s/^run$tab//p" "$state/lock" 2>/dev/null)/meta
		[ $limit != 0 ] || limit=$(awk -F "$tab" '/^(run|confirm)_timeout\t/ { n += $2 }
			END { print n + 60 }' "$held" 2>/dev/null)
		[ $(($(uptime) - end)) -lt "${limit:-60}" ] || return 1
		sleep 1
	done
}
fail_to_restore() { # WHY
	syslog "restore failed: $1"
	echo "$1" >&2
	tail -n 5 "$dir/log" >&2 2>/dev/null
	release_lock
	rm -rf "$dir"
	exit 5
}
# systemd takes firewalld for started, and for reloaded, before it has loaded its rules, and it
# flushes all of iptables then (1.3.3).  It answers when it is done; the first answer may come before
# it has looked at the signal.
await_firewalld() {
	for _ in 1 2; do
		busctl -q --timeout=120 --auto-start=no get-property org.fedoraproject.FirewallD1 \
			/org/fedoraproject/FirewallD1 org.fedoraproject.FirewallD1 state || return 0
	done >/dev/null 2>&1
}
restore() { # WHEN: boot (the network has no addresses yet), late, the followed service, or nothing
	! started_by_run "$1" || exit 0
	[ -d "$state/confirmed" ] || ls "$state"/runs/*/phase >/dev/null 2>&1 || exit 0
	await_firewalld
	SVCFORM_BOOT=$1
	export SVCFORM_BOOT
	mkdir -p "$state/runs" && dir=$(mktemp -d "$state/runs/restore.XXXXXX") || {
		syslog "restore failed: there is no room in $state"
		echo "There is no room in $state." >&2
		exit 5
	}
	put "$dir/maker" "$$ $(started $$)"
	printf '%s\t%s\n' run "${dir##*/}" plan "" who "$(id -un 2>/dev/null)" \
		source "${1:-console}" >"$dir/meta"
	wait_for_lock || fail_to_restore "The node's lock can't be taken: $(holder "$dir/taken" 2>/dev/null)."
	recover
	if [ -d "$state/confirmed" ]; then
		# The folder is whole, or it isn't there; the table beside it was written on its own.
		[ ! -e "$state/confirmed/services.tsv" ] ||
			cmp_files "$state/confirmed/services.tsv" "$state/services.tsv" ||
			{ cp "$state/confirmed/services.tsv" "$state/services.tsv.new" &&
				mv "$state/services.tsv.new" "$state/services.tsv"; }
		put_back "$state/confirmed" /dev/null "$state/services.tsv" ||
			fail_to_restore "The confirmed state could not be put back."
		owe_nothing
		syslog "restored the state of plan=$(sed -n "s/^plan$tab//p" "$state/confirmed/meta")"
	elif others_are_owed; then
		fail_to_restore "The state before the first apply could not be put back."
	fi
	release_lock
	rm -rf "$dir"
	rmdir "$state/runs" "$state" 2>/dev/null
	exit 0
}
