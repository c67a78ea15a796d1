"""How a node keeps our tables, and puts them back: constant sh, for dash and busybox.

What is kept is one script that makes the tables from nothing: the last confirmed one, with the
scripts of this run folded in.  A listing won't do: nft 1.0.6 can't read all that it lists.
Only a node that has our tables and no such script (somebody removed the state folder) has one made
of a listing, and then nft has to show in a rehearsal that it can read it.
"""

from __future__ import annotations

from svcform.backends.proxy.nftables.scripts import FUNCTIONS
from svcform.program.reading import shell_source

#: ``fold FILE…``: one script that does what all of them do, one after the other.
_FOLD = r"""
fold() {
  awk '
    function forget(family,   name) {
      for (name in sets) if (index(name, family " ") == 1) delete sets[name]
      for (name in chains) if (index(name, family " ") == 1) {
        delete chains[name]
        delete rules[name]
      }
      for (name in elements) if (index(name, family " ") == 1) delete elements[name]
    }
    function empty(place,   name) {
      for (name in elements) if (index(name, place " ") == 1) delete elements[name]
    }
    FNR == 1 { split("", fresh) }
    inside && $0 == "}" { inside = 0; next }
    inside {
      sub(/,$/, "")
      key = $0
      sub(/ : .*/, "", key)
      if (verb == "delete") {
        if (key ~ /(\.[0-9]+\/32|\/128)$/) sub(/\/[0-9]+$/, "", key)
        delete elements[place " " key]
      }
      else elements[place " " key] = $0
      next
    }
    /^#/ || NF == 0 { next }
    $2 == "table" {
      if ($1 != "add") forget($3)
      if ($1 == "delete") delete tables[$3]; else tables[$3]
      next
    }
    { place = $3 " " $5 }
    $2 == "element" { inside = 1; verb = $1; next }
    # Somebody may have deleted a chain that is made anew; some are declared again without rules.
    $2 == "rule" && place in fresh { rules[place] = ""; delete fresh[place] }
    $2 == "rule" { rules[place] = rules[place] $0 "\n"; next }
    $1 == "add" && $2 == "chain" { chains[place] = $0; fresh[place]; next }
    $1 == "add" { sets[place] = $0; next }
    $2 == "chain" { rules[place] = ""; if ($1 == "delete") delete chains[place]; next }
    { empty(place); if ($1 == "delete") delete sets[place] }
    END {
      print "# svcform nftables"
      for (name in tables) print "add table " name " svcform"
      for (name in sets) print sets[name]
      for (name in chains) print chains[name]
      for (name in chains) printf "%s", rules[name]
      for (name in elements) {
        split(name, part, " ")
        print part[1] " svcform " part[2] "\t" elements[name]
      }
    }
  ' "$@" | awk -F '\t' '
    NF < 2 { print; next }
    !($1 in last) { order[++count] = $1 }
    { held[$1, ++last[$1]] = $2 }
    END {
      for (i = 1; i <= count; i++) {
        name = order[i]
        print "add element " name " {"
        for (n = 1; n < last[name]; n++) print held[name, n] ","
        print held[name, n]
        print "}"
      }
    }
  '
}
"""

#: ``as_script FAMILY``: what nft lists of a table, on standard input, as a script in our form.
_AS_SCRIPT = r"""
as_script() {
  awk -v family="$1" '
    { sub(/^\t+/, "") }
    /^table / { print "0 add table " family " svcform"; next }
    depth == 0 && /^(set|map|chain) / {
      kind = $1; name = $2; depth = 1; text = hook = ""; inside = 0
      next
    }
    $0 == "}" && depth == 1 {
      if (hook) hook = " { " hook " }"
      if (kind == "chain") print "1 add chain " family " svcform " name hook
      else print "0 add " kind " " family " svcform " name " {" text " }"
      depth = 0
      next
    }
    depth == 0 { next }
    kind == "chain" && /^type .* hook / { hook = $0; next }
    kind == "chain" { print "2 add rule " family " svcform " name " " $0; next }
    /^elements = \{/ { inside = 1; sub(/^elements = \{ */, "") }
    inside {
      if (name ~ /^affinity/) next
      sub(/ *\}$/, "")
      count = split($0, part, ",")
      for (i = 1; i <= count; i++) {
        gsub(/^[ \t]+|[ \t]+$/, "", part[i])
        if (part[i] != "")
          print "3 add element " family " svcform " name " {\n3 " part[i] "\n3 }"
      }
      next
    }
    {
      sub(/[ \t]*# count [0-9]+$/, "")
      sub(/;$/, "")
      if (/^type/) text = " " $0 ";" text; else text = text " " $0 ";"
    }
  ' | sort -s -k 1,1 | sed 's/^[0-3] //'
}
"""

SAVE = (
    FUNCTIONS
    + _FOLD
    + _AS_SCRIPT
    + shell_source("keep.sh")
    + r"""
umask 077
run=$2
old=$state/confirmed/nftables/state
[ -z "$run" ] || [ ! -e "$run/checkpoint/nftables/state" ] || old=$run/checkpoint/nftables/state
# A rollback's step is no script of nft's: what is there by now is what was confirmed before.
[ -z "$run" ] || [ ! -e "$state/previous/nftables/state" ] ||
  ! cut -f 2 "$run/steps" | grep -qx svcform || old=$state/previous/nftables/state
if [ ! -e "$old" ]; then
  old=$1/listed
  listed=
  if has_nft; then
    for family in ip ip6; do
      table=$(listing $family) || exit 1
      listed="$listed$(printf '%s\n' "$table" | as_script $family)
"
    done
    printf '%s\n' 'add table ip svcform
add table ip6 svcform
delete table ip svcform
delete table ip6 svcform' "$listed" | nft -c -f - || exit 1
  fi
  keep "$old" "$listed" || exit 1
fi
scripts=
[ -z "$run" ] || scripts=$(grep -ls '^# svcform nftables$' "$run"/step.*.stdin)
# The names have no spaces in them: runs are numbered.
text=$(fold "$old" $scripts) && keep "$1/state.new" "$text" &&
  mv "$1/state.new" "$1/state" || exit 1
rm -f "$1/listed"
"""
)

#: ``here`` and ``there``: elements and numbers of rules, as they are and as a script makes them.
_COMPARE = r"""
here() {
  for family in ip ip6; do lines $family || return 1; done | awk '
    $2 == "chain" { if ($5 != "type") rules[$1 " " $3]++; else rules[$1 " " $3] += 0; next }
    $2 != "set" { print }
    END { for (name in rules) print "chain", name, rules[name] }
  ' | sort
}
there() {
  awk '
    inside && $0 == "}" { inside = 0; next }
    inside { sub(/,$/, ""); print place, $0; next }
    $2 == "element" { inside = 1; place = $3 " " $5 }
    $2 == "chain" { rules[$3 " " $5] += 0 }
    $2 == "rule" { rules[$3 " " $5]++ }
    END { for (name in rules) print "chain", name, rules[name] }
  ' "$1" | sort
}
"""

#: A packet that is being looked up in a table that goes is lost: no packet comes there any more.
_UNHOOK = r"""
unhook() {
  nft list chains | awk '
    $1 == "table" { ours = $2 ~ /^ip6?$/ && $3 == "svcform"; family = $2 }
    $1 == "chain" { name = $2 }
    ours && / hook / {
      print "flush chain " family " svcform " name
      gone = gone "delete chain " family " svcform " name "\n"
    }
    END { printf "%s", gone }
  ' | nft -f -
}
"""

#: One transaction, and none where all is in its place; of what traffic had filled nothing is left.
RESTORE = (
    FUNCTIONS
    + _COMPARE
    + _UNHOOK
    + r"""
saved=$1/state
[ -f "$saved" ] || exit 0
moment=going
! grep -q '^add table' "$saved" || moment=coming
[ "${2:-$moment}" = $moment ] || exit 0
if ! command -v nft >/dev/null 2>&1; then
  grep -q '^add table' "$saved" || exit 0
  echo "nft is missing" >&2
  exit 1
fi
if ! grep -q '^add table' "$saved"; then
  has_nft || exit 0
  nft list chains | grep -q '^table ip6\{0,1\} svcform {' || exit 0
  unhook
elif has_nft && [ "$(here | sha256sum)" = "$(there "$saved" | sha256sum)" ]; then
  exit 0
fi
{
  echo 'add table ip svcform
add table ip6 svcform
delete table ip svcform
delete table ip6 svcform'
  cat "$saved"
} | nft -f -
"""
)
