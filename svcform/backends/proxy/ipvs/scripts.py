"""The constant sh of this backend: listing, steps, fingerprint, checkpoint.  dash and busybox.

Nothing here may load a module by looking: ``ipset list`` and ``ipvsadm -S`` do, so /proc and /sys
are asked first.
"""

from __future__ import annotations

from svcform.backends.proxy.ipvs.objects import PREFERENCE, PROTOCOL, TABLE
from svcform.lang.ipvs.listing import FUNCTIONS as _LISTING

#: ``sets``: ours as ``ipset save`` prints them.  ``routing N``: our rule and route, as ip takes
#: them.  ``ours``: those lines of ``virtual`` that are of ours.
FUNCTIONS = (
    r"""
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
LC_ALL=C
export PATH LC_ALL
state=${SVCFORM_STATE:-/var/lib/svcform}
has() { command -v "$1" >/dev/null 2>&1; }
has_sets() {
  [ -d /sys/module/ip_set ] || grep -qs '^ip_set ' /proc/modules ||
    grep -qs '/ip_set\.ko' "/lib/modules/$(uname -r)/modules.builtin"
}
set_names() { { ! has_sets || ! has ipset || ipset list -n; } | grep '^SVCFORM-[46]-'; }
# One call for all: processes cost more than what else there may be.
sets() {
  { ipset save || echo failed; } | awk '
    $1 == "failed" { exit 1 }
    $2 ~ /^SVCFORM-[46]-/
  '
}
routing() { # 4 or 6
  ip "-$1" rule show 2>/dev/null | awk '$1 == "@PREFERENCE@:" && / lookup @TABLE@( |$)/ {
    for (i = 2; i < NF; i++) if ($i == "fwmark") print "rule add fwmark " $(i + 1) \
      " lookup @TABLE@ pref @PREFERENCE@"
  }'
  ip "-$1" route show table @TABLE@ 2>/dev/null | awk '/^local default dev lo / {
    print "route add local default dev lo table @TABLE@ proto @PROTOCOL@"
  }'
}
# Versions of ip and kernels that know no protocol of rules do without.
with_protocol() { # 4 or 6, RULE
  case $2 in
  rule*) ip "-$1" $2 protocol @PROTOCOL@ 2>/dev/null || ip "-$1" $2 ;;
  *) ip "-$1" $2 ;;
  esac
}
without() { ip "-$1" $(echo "$2" | sed 's/ add / del /'); }
# A mark of ours begins with 01; what has an address is in a set that says so.
ours() {
  {
    ! has_sets || ! has ipset || ipset save
    echo ==
    virtual
  } | awk '
    function hex(n, digits,   text) {
      for (text = ""; digits > 0; digits--) {
        text = substr("0123456789ABCDEF", n % 16 + 1, 1) text
        n = int(n / 16)
      }
      return text
    }
    function six(text,   n, part, i, head, out) { # as the kernel writes it, whole
      n = split(text, part, "::")
      if (n == 2) {
        i = split(part[1], head, ":") + split(part[2], head, ":")
        if (part[1] == "") i = split(part[2], head, ":")
        if (part[2] == "") i = split(part[1], head, ":")
        if (part[1] == "" && part[2] == "") i = 0
        out = part[1]
        for (; i < 8; i++) out = out (out == "" ? "" : ":") "0"
        text = out (part[2] == "" ? "" : ":" part[2])
      }
      n = split(text, part, ":")
      out = ""
      for (i = 1; i <= n; i++)
        out = out (i > 1 ? ":" : "") substr("0000", 1, 4 - length(part[i])) part[i]
      return "[" out "]"
    }
    !listing && $0 == "==" { listing = 1; next }
    !listing && $1 == "add" && $2 ~ /^SVCFORM-[46]-VIRTUAL$/ {
      split($3, field, ",")
      split(field[2], at, ":")
      if (field[1] ~ /:/) host = six(field[1])
      else {
        split(field[1], byte, ".")
        host = hex(byte[1], 2) hex(byte[2], 2) hex(byte[3], 2) hex(byte[4], 2)
      }
      mine[toupper(at[1]) " " host ":" hex(at[2], 4)]
      next
    }
    !listing { next }
    $1 == "hz" { print; next }
    ($2 == "FWM" && $3 ~ /^[4-7]/) || (($2 " " $3) in mine)
  '
}
""".replace("@TABLE@", str(TABLE))
    .replace("@PREFERENCE@", str(PREFERENCE))
    .replace("@PROTOCOL@", str(PROTOCOL))
    + _LISTING
)

_MISSING = r"""
has @TOOL@ || {
  grep -qs 'SVCFORM-' "$state/confirmed/ipvs/sets" || exit 90
  echo "@TOOL@: not found" >&2
  exit 91
}
"""


def _needs(tool: str) -> str:
    return _MISSING.replace("@TOOL@", tool)


LIST_SERVICES = FUNCTIONS + "has_ipvs || exit 90\n" + _needs("ipvsadm") + "virtual\n"
LIST_SETS = FUNCTIONS + "has_sets || exit 90\n" + _needs("ipset") + "sets\n"
LIST_ROUTING = (
    FUNCTIONS
    + r"""
has ip || exit 91
for family in 4 6; do routing $family | sed "s/^/$family /"; done
exit 0
"""
)

#: Reads lines of a verb, a place and arguments between tabs, and has ipvsadm do what is still to be
#: done: a server may be leaving, or be gone by now.  ``ipvsadm --restore`` (1.31) goes on after an
#: error and says so nowhere but on stderr.
CHANGE_SERVICES = (
    FUNCTIONS
    + r"""
todo=$(cat)
commands=$({
  if has_ipvs; then flat; fi
  echo ==
  printf '%s\n' "$todo"
} | awk -F '\t' '
  !given && $0 == "==" { given = 1; next }
  !given {
    split($0, word, " ")
    key = word[2] " " word[3]
    if (word[1] == "service") there[key]
    else there[key " " word[4]]
    next
  }
  {
    exists = ($2 in there)
    if ($1 == "service") print (exists ? "-E " : "-A ") $3
    else if ($1 == "server") print (exists ? "-e " : "-a ") $3
    else if ($1 == "quiet" && exists) print "-e " $3
    else if ($1 == "noserver" && exists) print "-d " $3
    else if ($1 == "noservice" && exists) print "-D " $3
  }
') || exit 1
[ -n "$commands" ] || exit 0
said=$(printf '%s\n' "$commands" | ipvsadm -R 2>&1) && [ -z "$said" ] && exit 0
printf '%s\n' "$said" >&2
exit 1
"""
)

#: Removes servers that are leaving and have no connection any more, and virtual services of which
#: nothing else is left.  Reads for how many seconds to wait for that.
SWEEP = (
    FUNCTIONS
    + r"""
read -r wait
has_ipvs && has ipvsadm || exit 0
end=$(($(cut -d . -f 1 /proc/uptime) + ${wait:-0}))
leaving() { # our servers at weight 0: KIND PLACE SERVER CONNECTIONS
  { ours; echo ==; cat /proc/net/ip_vs; } | awk '
    !given && $0 == "==" { given = 1; next }
    !given { if ($1 == "service") mine[$2 " " $3]; next }
    $1 == "FWM" || $1 == "TCP" || $1 == "UDP" || $1 == "SCTP" { place = $1 " " $2 }
    $1 == "->" && $4 == "0" && place in mine { print place, $2, $5 + $6 }
  '
}
empty() {
  ours | awk '
    $1 == "service" { all[$2 " " $3] }
    $1 == "server" { used[$2 " " $3] }
    END { for (place in all) if (!(place in used)) print place }
  '
}
forget() { # PROTOCOL PLACE: it is no virtual service of ours any more
  at=$(caught "$1" "$2") && at=${at#* } host=${at%:*}
  case $host in \[*) family=6 host=${host#?} host=${host%?} ;; *) family=4 ;; esac
  ipset -exist del "SVCFORM-$family-VIRTUAL" "$host,$(echo "$1" | tr A-Z a-z):${at##*:}"
}
while :; do
  rest=$(leaving | while read -r kind place which connections; do
    if [ "$connections" != 0 ]; then
      echo "$which"
      continue
    fi
    server=$(caught TCP "$which")
    # shellcheck disable=SC2046 # words are meant
    ipvsadm -d $(caught "$kind" "$place") -r "${server#* }" || exit 1
  done) || exit 1
  empty | while read -r kind place; do
    # shellcheck disable=SC2046 # words are meant
    ipvsadm -D $(caught "$kind" "$place") || exit 1
    [ "$kind" = FWM ] || forget "$kind" "$place" || exit 1
  done || exit 1
  [ -n "$rest" ] && [ "$(cut -d . -f 1 /proc/uptime)" -lt "$end" ] || exit 0
  sleep 1
done
"""
)

#: Reads what our rule and route are to be, ``4 rule add …``; what is there stays.
ROUTE = (
    FUNCTIONS
    + r"""
while read -r verb family part; do
  case $verb in
  add) routing "$family" | grep -qxF "$part" || with_protocol "$family" "$part" || exit 1 ;;
  del)
    ! routing "$family" | grep -qxF "$part" || without "$family" "$part" || exit 1 ;;
  esac
done
"""
)

#: Reads ``sets NAME``, ``element NAME KEY``, ``service PLACE`` and ``routing N`` lines; prints
#: what is there of them.
FINGERPRINT = (
    FUNCTIONS
    + r"""
wanted=$(cat)
asked() { printf '%s\n' "$wanted" | grep -q "^$1 "; }
{
  ! has_sets || ! has ipset || { ! asked element && ! asked set; } || sets || echo failed
  ! has_ipvs || ! has ipvsadm || ! asked service || ours || echo failed
  for family in 4 6; do
    ! asked "routing $family" || routing $family | sed "s/^/routing $family /"
  done
} | {
  listed=$(cat)
  printf '%s\n==\n%s\n' "$wanted" "$listed"
} | awk '
  !listing && $0 == "==" { listing = 1; next }
  !listing { asked[$0]; next }
  $0 == "failed" { exit 1 }
  $1 == "routing" { print; next }
  $1 == "create" { if (("set " $2) in asked) print $1, $2, $3; next }
  $1 == "add" {
    key = $3
    if ($2 ~ /-SOURCES$/) sub(/,[^,]*$/, "", key)
    is_small = $2 ~ /-(NODE-PORT-ADDRESSES|PODS|SERVICE-CIDRS)$/
    if ((is_small && ("set " $2) in asked) || ("element " $2 " " key) in asked) print
    next
  }
  $1 == "service" { place = $2 " " $3; if (("service " place) in asked) line[place] = $0; next }
  $1 == "server" && $6 != "0" && ($2 " " $3) in line {
    if (!(($2 " " $3) in shown)) { shown[$2 " " $3]; print line[$2 " " $3] }
    print
  }
' | sort -u
"""
)
