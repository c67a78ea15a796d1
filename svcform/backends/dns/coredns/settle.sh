# Changes zones and files as standard input says, and proves that they are served:
#   zone ORIGIN SERIAL HEAD TAIL   a zone: its SOA before and behind the serial; then its lines
#   whole                          of the zone in the line before: it has no old lines that stay
#   - LINE, + LINE                 a record that goes or comes
#   file MODE PATH                 a file; then its lines, each behind a bar
#   remove PATH
#   lead MODE PATH                 a file of the node's resolver; the same
#   unlead PATH
#   retire PATH, revive PATH       a program that was brought along
#   service VERB
#   prove                          the changed zones, and the Corefile if it was written or read
#   prove-late                     the Corefile, at the addresses that the proxy has left by now
#   wait SECONDS
# All fields are parted by tabs.  Nothing of it is ever taken for a command.
umask 022
work=$(mktemp -d /run/svcform-coredns.XXXXXX 2>/dev/null || mktemp -d "${SVCFORM_STATE:-/var/lib/svcform}/coredns.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
cat >"$work/input" || exit 1
mkdir -p "$folder" "$work/parts" || exit 1
# Each directive with its lines becomes a file of its own.
awk -F "$tab" -v parts="$work/parts" '
	$1 == "+" || $1 == "-" { print substr($0, 3) > (part ($1 == "+" ? ".come" : ".gone")); next }
	$1 == "|" { print substr($0, 3) > (part ".come"); next }
	{
		if (part) { close(part); close(part ".come"); close(part ".gone") }
		part = sprintf("%s/%06d", parts, ++n)
		print > part
		printf "" > (part ".come"); printf "" > (part ".gone")
	}' "$work/input" &&
	# Busybox's awk doesn't say that a disk is full.
	[ "$(cat "$work"/parts/* | wc -l)" = "$(wc -l <"$work/input")" ] || {
	say "There is no room in ${work%/*}."
	exit 1
}

write_zone() { # ORIGIN SERIAL HEAD TAIL WHOLE
	file=$folder/${1}zone
	: >"$work/old"
	[ "$5" = whole ] || [ ! -e "$file" ] || tail -n +3 "$file" | cat >"$work/old" || return 1
	serial=$(next_serial "$2" "$(live_serial "$1")")
	awk 'FILENAME == ARGV[1] { gone[$0]; next } !($0 in gone)' "$part.gone" "$work/old" |
		cat >"$work/kept" && sort "$work/kept" "$part.come" | cat >"$work/body" || return 1
	new=$folder/.${1}zone.new
	{
		printf '%s\n%s %s %s\n' "; svcform wrote this file; it is replaced as a whole." "$3" "$serial" "$4" &&
			cat "$work/body"
	} >"$new" && persist "$new" && mv "$new" "$file" || {
		rm -f "$new"
		return 1
	}
	printf '%s\n' "$1" >>"$work/changed"
}
write_file() { # MODE PATH
	mkdir -p "${2%/*}" && cat "$part.come" >"$2.new" && chmod "$1" "$2.new" && persist "$2.new" &&
		mv "$2.new" "$2" || {
		rm -f "$2.new"
		return 1
	}
	[ "$2" != "$folder/Corefile" ] || : >"$work/corefile"
}
# Whether the program takes the new Corefile and its zones: as another process, on the loopback, so
# that one which does not start leaves the one that runs alone.
try() {
	awk -v port="$spare" '
		skips { skips = $1 != "}"; next }
		$1 ~ /^(health|ready|prometheus|pprof)$/ { skips = $NF == "{"; next }
		$1 == "bind" { print "bind 127.0.0.1"; next }
		/^[^ \t#].*:53/ { gsub(/:53/, ":" port) }
		{ print }' "$folder/Corefile" >"$work/Corefile"
	$(run_line "$work/Corefile") -dns.port "$spare" >"$work/said" 2>&1 </dev/null &
	tried=$!
	started=$(uptime)
	ends=
	port=$spare
	until is_mark_served "$work/Corefile" 127.0.0.1; do
		! grep -qs '^State:.[ZX]' /proc/$tried/status && [ -d /proc/$tried ] || ends=yes
		[ -z "$ends" ] && [ $(($(uptime) - started)) -lt 10 ] || break
		sleep 0.1 2>/dev/null || sleep 1
	done
	port=53
	kill $tried 2>/dev/null
	wait $tried 2>/dev/null
	# What the loopback can't have is no fault of the Corefile's.
	[ -z "$ends" ] || grep -q -e 'address already in use' -e 'cannot assign requested address' "$work/said"
}
act() { # VERB: what does not start says why
	case $1 in
	restart | reload)
		try || {
			say "CoreDNS does not start. $(last_words <"$work/said")"
			return 1
		}
		;;
	esac
	if service "$1"; then
		# It may take a while until one that was started serves.
		case $1 in restart | reload) : >"$work/corefile" ;; esac
		return
	fi
	case $1 in
	restart | reload) say "CoreDNS does not start. $(words_of "$folder/Corefile")" ;;
	stop | disable | forget) return 0 ;;
	esac
	return 1
}
fail_to_write() {
	say "$1 can't be written$(df -P "$folder" 2>/dev/null | awk 'NR == 2 && $4 < 1024 { print ": " $4 " KiB are free in " $6 }')."
	return 1
}
prove() {
	[ ! -e "$work/corefile" ] || prove_corefile || return 1
	sort -u "$work/changed" 2>/dev/null | while read -r origin; do
		[ ! -e "$folder/${origin}zone" ] || prove_zone "$origin" || exit 1
	done
}
for part in "$work"/parts/*[0-9]; do
	IFS=$tab read -r verb one two three four five <"$part"
	case $verb in
	zone) write_zone "$one" "$two" "$three" "$four" "$five" || fail_to_write "${one}zone" ;;
	file) write_file "$one" "$two" || fail_to_write "$two" ;;
	lead) mkdir -p "${two%/*}" && cat "$part.come" >"$two.new" && lead "$two" "$one" || fail_to_write "$two" ;;
	unlead) unlead "$one" ;;
	retire) retire "$one" ;;
	revive) revive "$one" ;;
	remove) rm -rf "$one" ;;
	service) act "$one" ;;
	prove) prove ;;
	prove-late) late=late prove_corefile ;;
	wait) sleep "$one" ;;
	*) exit 64 ;;
	esac || exit 1
done
rmdir "$folder" "${folder%/*}" 2>/dev/null
exit 0
