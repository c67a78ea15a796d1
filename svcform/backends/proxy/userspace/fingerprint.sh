# What must not have moved: the files that standard input names.
while IFS= read -r name; do
	{ sha256sum <"$name" 2>/dev/null || echo -; } | cut -d ' ' -f 1
done
