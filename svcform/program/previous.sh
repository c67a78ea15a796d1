# The state of before the last apply, as a node keeps it: printed with what must not move.
state=${SVCFORM_STATE:-/var/lib/svcform}
[ -e "$state/previous/meta" ] || exit 90
last=
for last in "$state"/receipts/[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]; do :; done
sed -n 's/^run	/last	/p' "$last"
sed 's/^/meta	/' "$state/previous/meta"
sed 's/^/row	/' "$state/previous/services.tsv"
