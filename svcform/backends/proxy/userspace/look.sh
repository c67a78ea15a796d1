# What is svcform's of userspace mode on the node, and what it has to run it with.
for server in haproxy nginx; do
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
		! is_current $server || serves=current
		printf 'running\t%s\t%s\n' $server $serves
	fi
	for entry in $(unit_file $server); do
		awk 'FNR == 1 { print "unit\t" FILENAME } { print "|" $0 }' "$entry" || exit 92
	done
	! has $server || printf 'tool\t%s\n' $server
done
if has nginx; then
	case $(nginx -V 2>&1) in
	*--with-stream" "*) echo "tool${tab}stream" ;;
	*) ! ls /etc/nginx/modules-enabled/*stream.conf /usr/share/nginx/modules/*stream.conf /etc/nginx/modules/*stream.conf \
		2>/dev/null | grep -q . || echo "tool${tab}stream" ;;
	esac
fi
printf 'open-files\t%s\n' "$( (ulimit -n 262144 && ulimit -n) 2>/dev/null || ulimit -H -n)"
for tool in bash nc; do ! has $tool || printf 'tool\t%s\n' $tool; done
exit 0
