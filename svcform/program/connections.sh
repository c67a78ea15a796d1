# Makes UDP clients start anew whom conntrack still takes to an endpoint that they may not keep.
# What they may keep is a table: see lang/conntrack.py.
#
#   connections                   the table is on standard input
#   connections LEFT RESTORED     the table is made of rows that go and rows that come back
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
LC_ALL=C
export PATH LC_ALL

# Rows are those of services.tsv; what is in both files is not concerned.
table_of_rows() {
	[ -e "$1" ] || set -- /dev/null "$2"
	[ -e "$2" ] || set -- "$1" /dev/null
	awk -F '\t' '
		function place(text) { # the last word of "ClusterIP [fd00::1]:53" as "fd00::1 53"
			sub(/^.* /, "", text)
			port = address = text
			sub(/^.*:/, "", port)
			sub(/:[0-9]*$/, "", address)
			gsub(/[][]/, "", address)
			return (address == "" ? "*" : address) " " port
		}
		$2 != "UDP" { next }
		FILENAME == ARGV[1] { left[$0] = 1; order[++count] = $0; next }
		$0 in left { delete left[$0]; next }
		{ come[++coming] = $0 }
		function destinations(row) {
			split(row, column, FS)
			n = split(column[4], text, "|")
			for (i = 1; i <= n; i++) print "to", (column[3] == "IPv6" ? 6 : 4), place(text[i])
		}
		END {
			for (r = 1; r <= count; r++) if (order[r] in left) destinations(order[r])
			print "keep nothing"
			for (r = 1; r <= coming; r++) {
				destinations(come[r])
				n = split(column[5], text, "|")
				for (i = 1; i <= n; i++) print "keep", place(text[i])
				n = split(column[6], text, "|")
				for (i = 1; i <= n; i++) if (text[i] ~ /^draining /) print "keep", place(text[i])
				print "keep nothing"
			}
		}' "$1" "$2"
}

case $# in
0) table=$(cat) ;;
*) table=$(table_of_rows "$1" "$2") || exit 1 ;;
esac
case "
$table" in *"
to "*) ;; *) exit 0 ;; esac
# The tool would load modules, and there is nothing to find without connections.
[ "$(cat /proc/sys/net/netfilter/nf_conntrack_count 2>/dev/null || echo 0)" != 0 ] || exit 0
if ! command -v conntrack >/dev/null 2>&1; then
	echo "conntrack: not found" >&2
	# A node that goes back needs what it had before, and it did without.
	[ $# != 0 ]
	exit
fi

# What to delete, once each: destination, port, and from where the answers come, or * for all.
stale() { # FAMILY
	{
		printf '%s\n' "$table"
		ip -o addr show 2>/dev/null | sed 's/^/local /'
		echo listing
		conntrack -L -f "ipv$1" -p udp || echo failed
	} 2>/dev/null | awk -v family="$1" -v block=0 '
		!listing && $1 == "to" {
			if (kept) { block++; kept = 0 }
			if ($2 == family) to[$3, $4] = block
			next
		}
		!listing && $1 == "keep" { kept = 1; if (NF == 3) { keep[block, $2, $3]; some[block] } next }
		!listing && $1 == "local" { sub(/\/.*/, "", $5); own[$5]; next }
		$1 == "listing" { listing = 1; next }
		$1 == "failed" { exit 1 }
		$1 == "udp" {
			n = 0
			for (i = 2; i <= NF; i++) if ($i ~ /^(src|dst|sport|dport)=/) word[++n] = $i
			if (n < 8) next
			for (i = 1; i <= n; i++) sub(/^.*=/, "", word[i])
			dst = word[2]; dport = word[4]; src = word[5]; sport = word[7]
			mine = dst in own
			if ((dst, dport) in to) { block = to[dst, dport]; mine = 1 }
			else if (!(("*", dport) in to)) next
			# Nobody translated it, and it is not for this node: the port is the same by chance.
			else if (src == dst && sport == dport && !mine) next
			else block = to["*", dport]
			if ((block, src, sport) in keep) next
			key = dst " " dport " *"
			if (block in some || !mine) key = dst " " dport " " src " " sport
			if (!(key in seen)) { seen[key]; print key }
		}'
}

forget() { # FAMILY ORIGINAL-DESTINATION PORT REPLY-SOURCE PORT
	set -- -f "ipv$1" -p udp --orig-dst "$2" --orig-port-dst "$3" \
		${5:+--reply-src "$4" --reply-port-src "$5"}
	said=$(conntrack -D "$@" 2>&1 >/dev/null) && return
	case $said in
	*"0 flow entries have been deleted"*) ;; # it ended by itself
	*)
		printf '%s\n' "$said" >&2
		return 1
		;;
	esac
}

for family in 4 6; do
	case "
$table" in *"
to $family "*) ;; *) continue ;; esac
	found=$(stale $family) || {
		echo "conntrack can't list the UDP connections of IPv$family" >&2
		exit 1
	}
	[ -z "$found" ] || printf '%s\n' "$found" | while read -r destination port source sport; do
		forget $family "$destination" "$port" "$source" "$sport" || exit 1
	done || exit 1
done
