"""The constant sh of this backend: listing, steps, fingerprint, checkpoint.  dash and busybox.

Nothing here may load a module by looking: ``ipset list`` and ``ipvsadm -S`` do, so /proc and /sys
are asked first.
"""

from __future__ import annotations

from svcform.backends.proxy.ipvs.objects import PREFERENCE, PROTOCOL, TABLE
from svcform.lang.ipvs.listing import FUNCTIONS as _LISTING
from svcform.lang.ipvs.listing import PLACES, SAY

#: ``sets``: ours as ``ipset save`` prints them.  ``routing N``: our rule and route, as ip takes
#: them.  ``only_ours``: those lines of ``virtual`` that are of ours.
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
# Of rules that are gone, iptables-nft lets go of sets a moment later (Linux 4.20).
destroy() { # SET
  for pause in 0 0.1 0.3 1 2; do
    sleep $pause 2>/dev/null || sleep 1
    said=$(ipset -exist destroy "$1" 2>&1) && return
    case $said in *"in use"*) ;; *) break ;; esac
  done
  printf '%s\n' "$said" >&2
  return 1
}
# A mark of ours begins with 01, has a number and no flags; what has an address is in a set that
# says so.
only_ours() { # of listed sets, ==, and listed virtual services
  awk '
@PLACES@@SAY@
    !listing && $0 == "==" { listing = 1; next }
    !listing && $1 == "add" && $2 ~ /^SVCFORM-[46]-VIRTUAL$/ {
      split($3, field, ",")
      split(field[2], at, ":")
      mine[toupper(at[1]) " " toupper(place(field[1], at[2]))]
      next
    }
    !listing { next }
    $1 == "hz" { say($0); next }
    $2 == "FWM" && $3 ~ /^[4-7]......[01]$/ && $3 !~ /^400000[01]/ { say($0); next }
    (($2 " " toupper($3)) in mine) { say($0) }
  '
}
""".replace("@TABLE@", str(TABLE))
    .replace("@PREFERENCE@", str(PREFERENCE))
    .replace("@PROTOCOL@", str(PROTOCOL))
    .replace("@PLACES@", PLACES)
    .replace("@SAY@", SAY)
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

#: Reads the names of sets.
REMOVE = FUNCTIONS + 'while read -r name; do destroy "$name" || exit 1; done\n'

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

#: Reads ``set NAME``, ``element NAME KEY``, ``service PLACE`` and ``routing N`` lines; prints
#: what is there of them, whosever it is.
FINGERPRINT = (
    FUNCTIONS
    + r"""
wanted=$(cat)
asked() {
  case "
$wanted" in *"
$1 "*) ;; *) return 1 ;; esac
}
{
  printf '%s\n==\n' "$wanted"
  ! has_sets || ! has ipset || { ! asked element && ! asked set; } || ipset save || echo failed
  ! has_ipvs || ! has ipvsadm || ! asked service || virtual || echo failed
  for family in 4 6; do
    ! asked "routing $family" || routing $family | sed "s/^/routing $family /"
  done
} | awk '
  !listing && $0 == "==" { listing = 1; next }
  !listing { asked[$0]; next }
  $0 == "failed" { exit 1 }
  $1 == "routing" { print; next }
  $1 == "create" { if (("set " $2) in asked) print $1, $2, $3; next }
  $1 == "add" {
    if ($2 !~ /^SVCFORM-/) next
    key = $3
    if ($2 ~ /-SOURCES$/) sub(/,[^,]*$/, "", key)
    is_small = $2 ~ /-(NODE-PORT-ADDRESSES|PODS|SERVICE-CIDRS)$/
    if ((is_small && ("set " $2) in asked) || ("element " $2 " " key) in asked) print
    next
  }
  $1 == "service" { at = $2 " " $3; if (("service " at) in asked) line[at] = $0; next }
  $1 == "server" && $6 != "0" && ($2 " " $3) in line {
    if (!(($2 " " $3) in shown)) { shown[$2 " " $3]; print line[$2 " " $3] }
    print
  }
' | sort -u
"""
)
