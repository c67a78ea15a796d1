# What is svcform's of these servers on the node.
for server in $servers; do
	if [ -d "$etc/$server" ]; then
		(
			cd "$etc/$server" || exit
			set -- ./"$server.$(suffix $server)" ./services/*."$(suffix $server)"
			[ -e "$1" ] || shift
			[ -e "$1" ] || exit 0
			for last in "$@"; do :; done
			[ -e "$last" ] || set -- "$1"
			awk -v server="$server" 'FNR == 1 { print "file\t" server "\t" FILENAME } { print "|" $0 }' "$@"
		) || exit 92
	fi
	if [ -n "$(server $server)" ]; then
		serves=stale
		! is_gathered $server || ! is_current $server || serves=current
		printf 'running\t%s\t%s\n' $server $serves
	fi
	for entry in $(unit_file $server); do
		awk 'FNR == 1 { print "unit\t" FILENAME } { print "|" $0 }' "$entry" || exit 92
	done
done
