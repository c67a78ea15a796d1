#!/run/host/programs/busybox sh
# Stands before a program that changes files: on those of svcform's it first says what it is about
# to do, and waits for the test, that copies the disk meanwhile.
name=${0##*/}
here=/run/host
case "$* $PWD" in
*/var/lib/svcform*)
	phase=
	for file in /var/lib/svcform/runs/*/phase; do
		[ ! -s "$file" ] || read -r phase <"$file"
	done
	wanted=
	operation="$phase: $name $*"
	. $here/wanted
	if [ -n "$wanted" ]; then
		# The file system's journal: the names of all files are on disk then, their contents aren't.
		: >/var/lib/committed
		/bin/sync /var/lib/committed
		echo "$operation" >$here/at.$$
		$here/programs/busybox mv $here/at.$$ $here/at
		while [ -e $here/at ]; do $here/programs/busybox sleep 0.01; done
	fi
	;;
esac
case $name in
sync) exec /bin/sync "$@" ;;
*) exec $here/programs/busybox "$name" "$@" ;;
esac
