"""How a node keeps our sets and virtual services, and puts them back: constant sh.

Sets are kept as ipset saves them, virtual services as they are listed.  A server that is leaving is
not kept, and not cut short.
"""

from __future__ import annotations

from svcform.backends.proxy.ipvs.scripts import FUNCTIONS
from svcform.backends.proxy.ipvs.set_scripts import RENEWAL
from svcform.lang.ipvs.listing import PLACES
from svcform.program.reading import shell_source

_BOTH = r"""
ours() { # of listed sets
  ! has_ipvs || { printf '%s\n==\n' "$1"; virtual; } | only_ours
}
both_routings() { for family in 4 6; do routing $family | sed "s/^/$family /"; done; }
"""

SAVE = (
    FUNCTIONS
    + _BOTH
    + shell_source("keep.sh")
    + r"""
umask 077
sets=
services=
! has_sets || ! has ipset || sets=$(sets) || exit 1
places=$(printf '%s\n' "$sets" | grep -e '-VIRTUAL ')
! has_ipvs || ! has ipvsadm || services=$(ours "$places") || exit 1
keep "$1/sets.new" "$sets" && keep "$1/routing.new" "$(both_routings)" &&
  keep "$1/services.new" "$(printf '%s\n' "$services" | grep -v '^server .* 0$')" || exit 1
for name in services sets routing; do mv "$1/$name.new" "$1/$name" || exit 1; done
"""
)

RESTORE = (
    FUNCTIONS
    + RENEWAL
    + _BOTH
    + r"""
[ -f "$1/services" ] || exit 0
moment=going
[ ! -s "$1/sets" ] || moment=coming
if [ "${2:-$moment}" != $moment ]; then
  [ "$2" = going ] || ! has_sets || ! has ipset || [ -z "$(sets)" ] || : >"$1.goes"
  exit
fi
status=0
for tool in ipvsadm ipset; do
  if ! has $tool; then
    [ ! -s "$1/sets" ] || { echo "$tool is missing" >&2; exit 1; }
    exit 0
  fi
done
tell() { # COMMANDS: ipvsadm says nothing when all went well
  [ -n "$1" ] || return 0
  said=$(printf '%s\n' "$1" | ipvsadm -R 2>&1) && [ -z "$said" ] && return 0
  printf '%s\n' "$said" >&2
  return 1
}
differences() { # FOLDER, coming or going, and whether all goes: what ipvsadm has to do
  { cat "$1/services"; echo ==; printf '%s\n' "$there"; } | awk -v what="$2" -v all="$3" '
"""
    + PLACES
    + r"""
    function mask(text) {
      if (text !~ /^F/) return number(substr(text, 1, 2))
      text = endpoint(text ":0")
      sub(/:0$/, "", text)
      return text
    }
    function options(line,   word, n, i, text) {
      n = split(line, word, " ")
      text = " -s " word[4]
      for (i = 5; i <= n; i++) {
        if (word[i] == "persistent") {
          text = text " -p " word[i + 1] / hz
          if (word[i + 2] !~ /^(FFFFFFFF|80000000)$/) text = text " -M " mask(word[i + 2])
        }
        if (word[i] == "ops") text = text " -o"
        if (word[i] == "-b") text = text " -b " word[i + 1]
      }
      return text
    }
    function command(verb, at,   word) { # which virtual service, and which of its servers
      split(at, word, " ")
      return verb " " caught(word[1], word[2]) (word[3] ? " -r " endpoint(word[3]) : "")
    }
    function come(at, line, known,   word) {
      if (line ~ /^service /) return command(known ? "-E" : "-A", at) options(line)
      split(line, word, " ")
      method = word[5] == "Masq" ? "-m" : word[5] == "Tunnel" ? "-i" : "-g"
      return command(known ? "-e" : "-a", at) " " method " -w " word[6]
    }
    $1 == "hz" { if (!hz) hz = $2; next }
    { at = $1 == "server" ? $2 " " $3 " " $4 : $2 " " $3 }
    !listing && $0 == "==" { listing = 1; next }
    !listing { order[++count] = at; saved[at] = $0; next }
    {
      live[at] = $0
      lines[++lives] = at
      if ($1 == "server" && $6 != "0") serves[$2 " " $3]
    }
    END {
      if (what == "coming") for (i = 1; i <= count; i++) {
        at = order[i]
        known = at in live
        if (!known || live[at] != saved[at]) print come(at, saved[at], known)
      }
      else for (i = 1; i <= lives; i++) {
        at = lines[i]
        if (at in saved) continue
        if (live[at] ~ /^service /) { if (at in serves || all) print command("-D", at); continue }
        split(at, word, " ")
        if ((word[1] " " word[2]) in saved && live[at] !~ / 0$/) print command("-d", at)
      }
    }
  '
}
# What brings sets up to date, an element at a time, or those that go, or were made otherwise.
set_differences() { # come, other or gone
  { cat "$saved"; echo ==; printf '%s\n' "$live"; } | awk -v what="$1" '
    function head() {
      line = ""
      for (i = 3; i <= NF; i++)
        if ($i ~ /^(hashsize|maxelem|bucketsize|initval)$/) i++
        else line = line " " $i
      return line
    }
    !listing && $0 == "==" { listing = 1; next }
    !listing { order[++count] = $0 }
    !listing && $1 == "create" { wanted[$2] = head(); next }
    !listing { keys[$2 " " $3]; next }
    $1 == "create" {
      made[$2]
      if (!($2 in wanted)) { if (what == "gone") print $2 }
      else if (head() != wanted[$2]) { other[$2]; if (what == "other") print $2 }
      next
    }
    { there[$0] }
    what == "come" && ($2 in wanted) && !(($2 " " $3) in keys) { gone[++goes] = "del " $2 " " $3 }
    END {
      if (what != "come") exit
      for (i = 1; i <= count; i++) {
        split(order[i], word, " ")
        if (word[2] in other) continue
        if (word[1] == "add" ? !(order[i] in there) : !(word[2] in made)) print order[i]
      }
      for (i = 1; i <= goes; i++) {
        split(gone[i], word, " ")
        if (!(word[2] in other)) print gone[i]
      }
    }
  '
}
saved=$1/sets
all=
[ -s "$saved" ] || all=1
live=
! has_sets || live=$(sets) || exit 1
there=$(ours "$live") || exit 1
# Which virtual services with an address are ours is in a set: it is asked before that is put back.
going=$(differences "$1" going $all) && tell "$(differences "$1" coming)" || status=1
while read -r family part; do
  routing "$family" | grep -qxF "$part" || with_protocol "$family" "$part" ||
    [ "$SVCFORM_BOOT" = boot ] || status=1
done <"$1/routing"
come=$(set_differences come)
[ -z "$come" ] || printf '%s\n' "$come" | ipset -exist restore || status=1
tell "$going" || status=1
# Rules that still name a set hold on to it.  Where ours have to go, they go with it.
unhook() {
  for tool in iptables ip6tables; do
    names=/proc/net/${tool%tables}_tables_names
    for variant in nft legacy; do
      has $tool-$variant || continue
      [ $variant = nft ] || [ -n "$(cat $names 2>/dev/null)" ] || continue
      for table in mangle filter nat; do
        [ $variant = nft ] || grep -qx $table $names || continue
        for chain in $($tool-$variant -w 5 -t $table -S 2>/dev/null |
          sed -n 's/^-N \(SVCFORM-IPVS[^ ]*\)$/\1/p'); do
          $tool-$variant -w 5 -t $table -F "$chain"
        done
      done
    done
  done
}
remove() { ipset destroy "$1" 2>/dev/null || { unhook && destroy "$1"; }; }
for name in $(set_differences other); do
  grep -e "^create $name " -e "^add $name " "$saved" | renew || status=1
done
for name in $(set_differences gone); do remove "$name" || status=1; done
for family in 4 6; do
  routing $family | while read -r part; do
    grep -qxF "$family $part" "$1/routing" || without $family "$part" || exit 1
  done || status=1
done
exit $status
"""
)
