"""How a node keeps our sets and virtual services, and puts them back: constant sh.

Both are kept as their tools save them.  A server that is leaving is not kept, and not cut short.
"""

from __future__ import annotations

from svcform.backends.proxy.ipvs.scripts import FUNCTIONS

#: ``commands``: what ``ours`` prints, as ``ipvsadm --save -n`` would.
_COMMANDS = r"""
commands() {
  ours | awk '
    function number(text,   i, n) {
      for (i = 1; i <= length(text); i++)
        n = n * 16 + index("0123456789ABCDEF", toupper(substr(text, i, 1))) - 1
      return n
    }
    function endpoint(text,   host, port) {
      port = text
      sub(/.*:/, "", port)
      host = substr(text, 1, length(text) - length(port) - 1)
      if (host !~ /^\[/)
        host = number(substr(host, 1, 2)) "." number(substr(host, 3, 2)) "." \
          number(substr(host, 5, 2)) "." number(substr(host, 7, 2))
      return host ":" number(port)
    }
    function caught(kind, place) {
      if (kind == "FWM")
        return sprintf("-f %d%s", number(place), place ~ /[13579BDF].$/ ? " -6" : "")
      return (kind == "TCP" ? "-t " : kind == "UDP" ? "-u " : "--sctp-service ") endpoint(place)
    }
    $1 == "hz" { hz = $2 }
    $1 == "service" {
      line = "-A " caught($2, $3) " -s " $4 ($4 == "mh" ? " -b mh-port" : "")
      for (i = 5; i < NF; i++) if ($i == "persistent") line = line " -p " $(i + 1) / hz
      print line
    }
    $1 == "server" {
      method = $5 == "Masq" ? "-m" : $5 == "Tunnel" ? "-i" : "-g"
      print "-a " caught($2, $3) " -r " endpoint($4) " " method " -w " $6
    }
  '
}
both_routings() { for family in 4 6; do routing $family | sed "s/^/$family /"; done; }
"""

SAVE = (
    FUNCTIONS
    + _COMMANDS
    + r"""
umask 077
: >"$1/services.new" && : >"$1/sets.new" && both_routings >"$1/routing.new" || exit 1
! has_sets || ! has ipset || sets >"$1/sets.new" || exit 1
! has_ipvs || ! has ipvsadm || commands >"$1/all" || exit 1
[ ! -e "$1/all" ] || grep -v -- ' -w 0$' "$1/all" >"$1/services.new" || :
rm -f "$1/all"
for name in services sets routing; do mv "$1/$name.new" "$1/$name" || exit 1; done
"""
)

RESTORE = (
    FUNCTIONS
    + _COMMANDS
    + r"""
[ -f "$1/services" ] || exit 0
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
differences() { # COMING or GOING
  { cat "$1/services"; echo ==; ! has_ipvs || commands; } | awk -v what="$2" -v all="$3" '
    function place(line) {
      sub(/ -s .*/, "", line)
      sub(/ -[mgi] -w [0-9]+$/, "", line)
      return line
    }
    !listing && $0 == "==" { listing = 1; next }
    !listing { order[++count] = $0; saved[place($0)] = $0; next }
    {
      at = place($0)
      live[at] = $0
      lines[++lives] = at
      if ($1 == "-a") {
        owner = at
        sub(/ -r .*/, "", owner)
        sub(/^-a/, "-A", owner)
        if ($0 !~ / -w 0$/) serves[owner]
      }
    }
    END {
      if (what == "coming") for (i = 1; i <= count; i++) {
        at = place(order[i])
        if (!(at in live)) print order[i]
        else if (live[at] != order[i]) {
          line = order[i]
          sub(/^-A/, "-E", line)
          sub(/^-a/, "-e", line)
          print line
        }
      }
      else for (i = 1; i <= lives; i++) {
        at = lines[i]
        if (at in saved) continue
        if (at ~ /^-A/) {
          if (at in serves || all) { sub(/^-A/, "-D", at); print at }
          continue
        }
        owner = at
        sub(/ -r .*/, "", owner)
        sub(/^-a/, "-A", owner)
        if (owner in saved && live[at] !~ / -w 0$/) { sub(/^-a/, "-d", at); print at }
      }
    }
  '
}
elements() { sed -n 's/^add [^ ]* //p' | sort; }
same() { # NAME: the set is as it was saved
  [ "$(ipset save "$1" | elements | sha256sum)" = \
    "$(grep "^add $1 " "$saved" | elements | sha256sum)" ]
}
saved=$1/sets
all=
[ -s "$saved" ] || all=1
# Which virtual services with an address are ours is in a set: it is asked before that is put back.
going=$(differences "$1" going $all) && tell "$(differences "$1" coming)" || status=1
while read -r family part; do
  routing "$family" | grep -qxF "$part" || with_protocol "$family" "$part" ||
    [ "$SVCFORM_BOOT" = boot ] || status=1
done <"$1/routing"
now=$(set_names)
for name in $(sed -n 's/^create \([^ ]*\) .*/\1/p' "$saved"); do
  case "
$now
" in
  *"
$name
"*)
    ! same "$name" || continue
    ipset destroy SVCFORM-NEW 2>/dev/null
    grep -e "^create $name " -e "^add $name " "$saved" |
      sed "s/^\([a-z]*\) $name /\1 SVCFORM-NEW /" | ipset -exist restore &&
      ipset swap SVCFORM-NEW "$name" && ipset destroy SVCFORM-NEW || status=1 ;;
  *) grep -e "^create $name " -e "^add $name " "$saved" | ipset -exist restore || status=1 ;;
  esac
done
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
for name in $now; do
  ! grep -q "^create $name " "$saved" || continue
  ipset destroy "$name" 2>/dev/null || { unhook && ipset destroy "$name"; } || status=1
done
for family in 4 6; do
  routing $family | while read -r part; do
    grep -qxF "$family $part" "$1/routing" || without $family "$part" || exit 1
  done || status=1
done
exit $status
"""
)
