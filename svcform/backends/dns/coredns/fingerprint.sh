# What must not have moved: record sets (zone, name, type) and files, as standard input names them.
digest() { # FILE: as the reading has it, which ends each line
	if [ -e "$1" ]; then awk 1 "$1" | sha256sum | cut -d ' ' -f 1; else echo -; fi
}
while IFS=$tab read -r kind one two three; do
	case $kind in
	binary) { sha256sum <"$one" 2>/dev/null || echo -; } | cut -d ' ' -f 1 ;;
	service) if [ -n "$(server)" ] && answers; then echo running; else echo -; fi ;;
	file) digest "$one" ;;
	own) if is_led "$one"; then digest "$one"; else echo -; fi ;;
	zone) printf '%s\t%s\t%s\n' "$one" "$two" "$three" ;;
	esac
done | awk -F "$tab" -v folder="$folder/" '
	NF == 1 { print; next }
	{
		if (!($1 in known)) { known[$1]; order[++n] = $1 }
		wanted[$1, $2, $3]
	}
	END {
		for (i = 1; i <= n; i++) {
			file = folder order[i] "zone"
			while ((getline line < file) > 0) {
				split(line, word, " ")
				if (!((order[i], word[1], word[4]) in wanted)) continue
				if (word[4] == "SOA") {
					line = word[1] " " word[2] " IN SOA " word[5] " " word[6]
					line = line " SERIAL " word[8] " " word[9] " " word[10] " " word[11]
				}
				print line
			}
			close(file)
		}
	}'
