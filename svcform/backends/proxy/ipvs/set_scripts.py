"""The constant sh that makes sets anew which are there under our names, but of another type.

A set that rules name can neither be destroyed, renamed nor swapped with one of another type
(Linux, ``ip_set_core.c``), so those rules have to let go of it for a moment.
"""

from __future__ import annotations

from svcform.backends.proxy.ipvs.scripts import FUNCTIONS
from svcform.program.reading import shell_source

#: ``renew``: reads what ``ipset restore`` takes.  Chains of ours that name one of its sets are
#: emptied, and are as they were afterwards, whether that went well or not.
RENEWAL = (
    shell_source("keep.sh")
    + r"""
each_table() { # FUNCTION: called with the tool and the table, for all tables that there are
  for tool in iptables ip6tables; do
    names=/proc/net/${tool%tables}_tables_names
    for variant in nft legacy; do
      has $tool-$variant-save && has $tool-$variant-restore || continue
      [ $variant = nft ] || [ -n "$(cat $names 2>/dev/null)" ] || continue
      for table in mangle filter nat; do
        [ $variant = nft ] || grep -qx $table $names || continue
        "$1" $tool-$variant $table || return 1
      done
    done
  done
}
lift() { # TOOL TABLE: keep the rules of such chains, and empty them
  rules=$($1-save -t $2 | awk -v names="$names_of_sets" -v table=$2 '
    BEGIN { count = split(names, name, " "); for (i = 1; i <= count; i++) wanted[name[i]] }
    /^-A SVCFORM-/ {
      rules[$2] = rules[$2] $0 "\n"
      for (i = 3; i < NF; i++) if ($i ~ /^--(match|map)-set$/ && ($(i + 1) in wanted)) hit[$2]
    }
    END {
      for (chain in hit) heads = heads ":" chain " - [0:0]\n"
      if (heads) printf "*%s\n%s", table, heads
      for (chain in hit) printf "%s", rules[chain]
      if (heads) print "COMMIT"
    }
  ') || return 1
  [ -n "$rules" ] || return 0
  keep "$lifted/$1.$2" "$rules" && printf '%s\n' "$rules" | grep -v '^-A ' |
    $1-restore -w 5 --noflush
}
put_back() {
  for file in "$lifted"/*; do
    [ -e "$file" ] || continue
    tool=${file##*/}
    ${tool%.*}-restore -w 5 --noflush <"$file" || return 1
  done
  rm -rf "$lifted"
}
renew() {
  renewed=$(cat)
  names_of_sets=$(printf '%s\n' "$renewed" | sed -n 's/^create \([^ ]*\) .*/\1/p' | tr '\n' ' ')
  lifted=$state/lifted
  rm -rf "$lifted" && mkdir -p "$lifted" || return 1
  each_table lift
  failed=$?
  for name in $names_of_sets; do
    [ $failed = 0 ] || break
    destroy "$name" && printf '%s\n' "$renewed" |
      grep -e "^create $name " -e "^add $name " | ipset restore || failed=1
  done
  put_back && return $failed
}
"""
)

RENEW = f"{FUNCTIONS}{RENEWAL}renew\n"
