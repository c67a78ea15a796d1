# Puts back the state of before the last apply, as the node's runner does on the console.
state=${SVCFORM_STATE:-/var/lib/svcform}
put_all_back "$state/previous" "$state/services.tsv" "$state/previous/services.tsv"
