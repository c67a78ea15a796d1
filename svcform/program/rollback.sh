# Puts back the state of before the last apply, as the node's runner does on the console.
# In the backends' order: rules that find no forwarding, or no route, would stop their traffic.
previous=${SVCFORM_STATE:-/var/lib/svcform}/previous
failed=0
for backend in $(sort -n "$previous/order" | cut -f 2); do
	sh "$previous/$backend.restore" "$previous/$backend" || failed=1
done
[ ! -e "$previous/connections" ] ||
	sh "$previous/connections" "${previous%/*}/services.tsv" "$previous/services.tsv" || failed=1
exit $failed
