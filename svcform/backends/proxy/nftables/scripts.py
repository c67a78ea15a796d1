"""The constant sh of this backend: listing, fingerprint, checkpoint.  dash, busybox; no bashisms.

Nothing here may load a module: any use of nf_tables' socket does where nf_tables is one.
"""

from __future__ import annotations

from svcform.lang.nft.foreign import LIST_FOREIGN

#: ``has_nft``: the kernel has nf_tables already.  ``lines FAMILY``: the table, a line for each
#: element (``ip frontends 10.96.0.1 . 6 . 80 : 4000:11``), each line of a chain (``ip chain NAME 1
#: …``), each set (``ip set NAME map``), and what is strange (``ip table counter NAME``); nothing of
#: what traffic fills.
FUNCTIONS = r"""
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
LC_ALL=C
export PATH LC_ALL
state=${SVCFORM_STATE:-/var/lib/svcform}
has_nft() {
  command -v nft >/dev/null 2>&1 || return 1
  [ -e /sys/module/nf_tables ] || [ ! -e /proc/modules ] ||
    grep -q '^nf_tables ' /proc/modules ||
    grep -qs '/nf_tables\.ko' "/lib/modules/$(uname -r)/modules.builtin"
}
listing() { # FAMILY: nothing where there is no such table
  chains=$(nft list chains "$1") || return 1
  case $chains in
  *"table $1 svcform {"*) nft -n list table "$1" svcform ;;
  esac
}
lines() {
  listing "$1" | awk -v family="$1" '
    /^\t(set|map|chain) / {
      kind = $1; name = $2; n = 0; inside = 0
      if (kind != "chain") print family, "set", name, kind
      next
    }
    /^\t}/ { kind = ""; next }
    kind == "" && /^\tflags / { print family, "table flags"; next }
    kind == "" && /^\t[^\t].* \{$/ {
      sub(/^\t/, ""); sub(/ \{$/, "")
      print family, "table", $0
      next
    }
    kind == "" { next }
    kind == "chain" { sub(/^\t+/, ""); print family, "chain", name, ++n, $0; next }
    name ~ /^affinity/ { next }
    /^\t\telements = \{/ { inside = 1; sub(/^\t\telements = \{ */, "") }
    inside {
      sub(/ *\}$/, "")
      count = split($0, part, ",")
      for (i = 1; i <= count; i++) {
        gsub(/^[ \t]+|[ \t]+$/, "", part[i])
        if (part[i] != "") print family, name, part[i]
      }
    }
  '
}
"""

#: What traffic has filled is left out, as far as nft lets it be.
_LIST = r"""
command -v nft >/dev/null 2>&1 || {
  grep -qs '^add table' "$state"/confirmed/nftables/* || exit 90
  echo "nft: not found" >&2
  exit 91
}
has_nft || exit 90
{ listing @FAMILY@ || echo failed; } | awk '
  /^\tmap affinity/ { learned = 1 }
  /^\t}/ { learned = inside = 0 }
  learned && /^\t\telements = / { inside = 1 }
  inside { next }
  $0 == "failed" { bad = 1; next }
  learned { sub(/[ \t]*# count [0-9]+$/, "") } # nft 1.1.7
  { print }
  END { exit bad }
'
"""


def list_script(family: str) -> str:
    """The probe: what the table of a family holds."""
    return (FUNCTIONS + _LIST).replace("@FAMILY@", family)


#: Prints the foreign tables that packets come through.
FOREIGN_TABLES = FUNCTIONS + "has_nft || exit 90\n" + LIST_FOREIGN

#: Reads ``FAMILY KIND NAME`` lines; prints those of ``lines`` that belong to them, sorted.
FINGERPRINT = (
    FUNCTIONS
    + r"""
wanted=$(cat)
has_nft || exit 0
for family in ip ip6; do
  case "
$wanted" in *"
$family "*) ;; *) continue ;; esac
  {
    printf '%s\n' "$wanted"
    echo ==
    lines $family || echo "failed"
  } | awk '
    !listing && $0 == "==" { listing = 1; next }
    !listing { wanted[$0]; next }
    $0 == "failed" { exit 1 }
    {
      kind = $2; name = $3
      if (kind == "chain") { if (($1 " chain " name) in wanted) print; next }
      if (kind == "table") { if ($0 in wanted) print; next }
      if (kind == "set") { if (($1 " set " name) in wanted) print; next }
      if (($1 " set " kind) in wanted && kind ~ /^(pod-cidrs|service-cidrs|node-port-addresses)$/) {
        print $1, "set", kind, substr($0, length($1 kind) + 3); next
      }
      if (kind ~ /^(list-sizes$|(tcp|udp|sctp)-endpoints$|sticky-)/) {
        if (($1 " list " name) in wanted) print
        next
      }
      if (kind == "source-allowed") { if (($1 " ranges " name) in wanted) print; next }
      key = $0
      sub(/ : .*/, "", key)
      if (key in wanted) print
    }
  ' || exit 1
done | sort -u
"""
)

#: Runs the script on standard input; what it deletes may be busy for a moment.
PATIENTLY = r"""
script=$(cat)
for pause in 0 0.2 1 1 2; do
  sleep $pause 2>/dev/null || sleep 1
  printf '%s\n' "$script" | nft -f - && exit 0
done
exit 1
"""

#: Reads ``FAMILY LIST ADDRESS PORT`` lines of endpoints that have left sticky lists; their clients
#: are forgotten.  Learning has ended with the transaction before.
FORGET_CLIENTS = r"""
LC_ALL=C
export LC_ALL
gone=$(cat)
entries() { # FAMILY MAP: KEY DATA, without spaces in the key
  nft -n list map "$1" svcform "$2" | tr ',' '\n' | sed -n '
    s/.*elements = {//
    s/}//g
    s/^[[:space:]]*//
    s/ *timeout [^ ]*//
    s/ *expires [^ ]*//
    / : /{
      s/ \. /./g
      s/[[:space:]]*$//
      p
    }'
}
stale() { # FAMILY: KEY ADDRESS PORT of clients that are with an endpoint that has left
  {
    printf '%s\n' "$gone"
    echo ==
    entries "$1" affinity-port | sed 's/^/port /'
    entries "$1" affinity
  } | awk -v family="$1" '
    !listing && $0 == "==" { listing = 1; next }
    !listing { if ($1 == family) gone[$2 " " $3 " " $4]; next }
    $1 == "port" { port[$2] = $4; next }
    {
      n = split($1, part, ".")
      list = part[n]
      if ((list " " $3 " " port[$1]) in gone) print $1, $3, port[$1]
    }
  '
}
# Some may run out meanwhile, and one that is gone would refuse a transaction of deletions as a
# whole: all are brought back first.  Where the maps are full that fails, so not all stand together.
forget() { # FAMILY
  awk -v family="$1" '
    function flush() {
      if (keys == "") return
      print "add element " family " svcform affinity {" addresses "}" | nft
      print "delete element " family " svcform affinity {" keys "}" | nft
      print "add element " family " svcform affinity-port {" ports "}" | nft
      print "delete element " family " svcform affinity-port {" keys "}" | nft
      close(nft)
      keys = addresses = ports = ""
    }
    BEGIN { nft = "nft -f -" }
    {
      if (family == "ip") {
        split($1, part, ".")
        key = part[1] "." part[2] "." part[3] "." part[4] " . " part[5]
      } else { key = $1; gsub(/\./, " . ", key) }
      keys = keys " " key ","
      addresses = addresses " " key " timeout 1m : " $2 ","
      ports = ports " " key " timeout 1m : " $3 ","
    }
    NR % 500 == 0 { flush() }
    END { flush() }
  '
}
for family in ip ip6; do
  case "
$gone" in *"
$family "*) ;; *) continue ;; esac
  try=0
  while clients=$(stale $family) || exit 1; [ -n "$clients" ]; do
    try=$((try + 1))
    [ $try -le 5 ] || {
      echo "clients of endpoints that went are still remembered" >&2
      exit 1
    }
    printf '%s\n' "$clients" | forget $family
  done
done
exit 0
"""
