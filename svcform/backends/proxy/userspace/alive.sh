# What the servers that standard input names do.
while IFS= read -r name; do
	if [ -z "$(server "$name")" ]; then
		echo -
	elif is_gathered "$name" && is_current "$name"; then
		echo current
	else
		echo stale
	fi
done
