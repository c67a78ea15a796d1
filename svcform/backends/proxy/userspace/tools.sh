# What the node has to run the servers with, and who is where they would listen.
for server in haproxy nginx; do
	# Old ones write "HA-Proxy version", nginx "nginx version: nginx/1.22.1", to its standard error.
	! has $server || printf 'tool\t%s\t%s\n' $server "$($server -v 2>&1 | sed -n '1s/.*version[: ]*\(nginx.\)*\([0-9][0-9.]*\).*/\2/p')"
done
if has nginx; then
	case "$(nginx -V 2>&1) " in
	*--with-stream" "*) echo "tool${tab}nginx-stream" ;;
	*) ! ls /etc/nginx/modules-enabled/*stream.conf /usr/share/nginx/modules/*stream.conf /etc/nginx/modules/*stream.conf \
		2>/dev/null | grep -q . || echo "tool${tab}nginx-stream" ;;
	esac
fi
printf 'open-files\t%s\n' "$( (ulimit -n 262144 && ulimit -n) 2>/dev/null || ulimit -H -n)"
for tool in bash nc; do ! has $tool || printf 'tool\t%s\n' $tool; done
if has ss && { has haproxy || has nginx; }; then
	own=" $(grep -ls "$etc/" /proc/[0-9]*/cmdline | sed 's,^/proc/,,; s,/.*,,' | tr '\n' ' ')"
	ss -H -lntup 2>/dev/null | awk -v own="$own" '{
		rest = $0
		while (match(rest, /pid=[0-9]+/)) {
			if (index(own, " " substr(rest, RSTART + 4, RLENGTH - 4) " ")) next
			rest = substr(rest, RSTART + RLENGTH)
		}
		print "socket\t" $0
	}'
fi
