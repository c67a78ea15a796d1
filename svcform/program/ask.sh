# Hands a word to the runner of a run that is on its way: follow, confirm, check or reject, the
# run's name, and why.
# A run begins by taking its folder's last name.  Whoever asks for one that has none yet waits a
# moment, and then takes the folder away: what comes late, or only in part, never begins.
LC_ALL=C
export LC_ALL
state=${SVCFORM_STATE:-/var/lib/svcform}
tries=0
while [ ! -e "$state/runs/$2/runner" ] && [ $tries -lt 50 ]; do
	[ "$1" = follow ] || break
	tries=$((tries + 1))
	sleep 0.1 2>/dev/null || { sleep 1 && tries=$((tries + 9)); }
done
[ ! -d "$state/runs/incoming.$2" ] || mv "$state/runs/incoming.$2" "$state/runs/late.$2" 2>/dev/null
[ ! -e "$state/runs/$2/runner" ] || exec sh "$state/runs/$2/runner" "$@"
rm -rf "$state/runs/late.$2"
rmdir "$state/runs" "$state" 2>/dev/null
printf 'outcome\tunknown\ndetail\tThe node knows nothing of this run.\n\n'
