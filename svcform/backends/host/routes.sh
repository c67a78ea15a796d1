# svcform's routes as ip takes them.  Busybox's ip shows no protocols (1.36): there the record tells.
our_routes() { # 4 or 6
	ip "-$1" route show table main 2>/dev/null |
		awk -v family="IPv$1" -v record="${SVCFORM_STATE:-/var/lib/svcform}/host/record" '
			BEGIN {
				while ((getline line <record) > 0) {
					split(line, field, "\t")
					if (field[1] == "route") recorded[field[2]]
				}
			}
			!/ dev lo / { next }
			/ proto 83 / || (!/ proto / && (family " " $1) in recorded) {
				source = ""
				for (i = 2; i < NF; i++) if ($i == "src") source = " src " $(i + 1)
				print $1 " dev lo" source " proto 83"
			}'
}
