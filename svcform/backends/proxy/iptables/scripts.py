"""The constant sh of this backend: listing, fingerprint, checkpoint.  dash, busybox; no bashisms.

Nothing here may load a module: ``iptables-legacy-save`` does where a table isn't there yet, and
any use of nf_tables' socket does where nf_tables is a module.  So /proc is asked first.
"""

from __future__ import annotations

from svcform.backends.proxy.iptables.objects import TOOL_PREFIXES, Variant
from svcform.lang.nft.foreign import LIST_FOREIGN
from svcform.program.reading import shell_source

#: ``has VARIANT FAMILY``: the kernel has such tables in this network namespace.
#: ``tool VARIANT FAMILY``: how the names of its tools begin.
_FUNCTIONS = r"""
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
LC_ALL=C
export PATH LC_ALL
has() {
  case $1 in
  nft)
    [ -e /sys/module/nf_tables ] || [ ! -e /proc/modules ] ||
      grep -q '^nf_tables ' /proc/modules ||
      grep -qs '/nf_tables\.ko' "/lib/modules/$(uname -r)/modules.builtin" ;;
  legacy)
    [ -n "$(cat "/proc/net/$2_tables_names" 2>/dev/null)" ] ;;
  esac
}
tool() {
  case $2 in ip) echo "iptables-$1" ;; ip6) echo "ip6tables-$1" ;; esac
}
"""

#: A tool that isn't there: the confirmed state tells whether it has rules of ours to show.
_MISSING = r"""
command -v @TOOL@ >/dev/null 2>&1 || {
  kept=${SVCFORM_STATE:-/var/lib/svcform}/confirmed/iptables/iptables.@VARIANT@.@FAMILY@
  grep -qs SVCFORM- "$kept" || exit 90
  echo "@TOOL@: not found" >&2
  exit 91
}
"""

#: A table that nft has given what iptables can't show is left out of the listing, whole.
_SAVE = {
    Variant.LEGACY: r"""
has legacy @FAMILY@ || exit 90
"""
    + _MISSING
    + r"""
exec @TOOL@
""",
    Variant.NFT: r"""
has nft @FAMILY@ || exit 90
"""
    + _MISSING
    + r"""
{ @TOOL@ || echo "@TOOL@ failed"; } |
  awk '{ print } /^# Table .* is incompatible/ { bad = 1 } END { exit bad }' && exit 0
for table in nat filter mangle; do
  nft list table @FAMILY@ $table 2>/dev/null | grep -q "chain SVCFORM-" || continue
  echo "the table @FAMILY@ $table holds rules of svcform's that @TOOL@ can't list, because of" \
    "others made by nft; see them by: nft list table @FAMILY@ $table" >&2
  exit 92
done
exit 0
""",
}

#: Prints the foreign tables of nftables that packets come through.
FOREIGN_TABLES = _FUNCTIONS + "has nft ip || exit 90\n" + LIST_FOREIGN


def save_script(variant: Variant, family: str) -> str:
    """The probe: what the tables of a variant and family hold."""
    tool = f"{TOOL_PREFIXES[family]}-{variant.value}-save"
    script = _SAVE[variant].replace("@FAMILY@", family).replace("@TOOL@", tool)
    return _FUNCTIONS + script.replace("@VARIANT@", variant.value)


#: Reads ``VARIANT FAMILY TABLE CHAIN`` lines; prints each with ``+`` in front if the chain is
#: there, else ``-``, and behind it its rules; of built-in chains only those that jump to ours.
FINGERPRINT = (
    _FUNCTIONS
    + r"""
names=$(cat)
for variant in nft legacy; do
  for family in ip ip6; do
    case "
$names" in *"
$variant $family "*) ;; *) continue ;; esac
    {
      printf '%s\n' "$names"
      echo ==
      if has $variant $family; then $(tool $variant $family)-save || exit 1; fi
    } | awk -v place="$variant $family " '
      !listing && $0 == "==" { listing = 1; next }
      !listing {
        if (index($0, place) == 1) {
          key = substr($0, length(place) + 1); order[++count] = key; wanted[key] = 1
        }
        next
      }
      /^\*/ { table = substr($0, 2); next }
      /^:/ {
        key = table " " substr($1, 2)
        if (key in wanted && $1 ~ /^:SVCFORM-/) there[key] = 1
        next
      }
      /^-A / {
        key = table " " $2
        if (!(key in wanted)) next
        if ($2 !~ /^SVCFORM-/ && $0 !~ /-[jg] SVCFORM-/) next
        there[key] = 1
        lines[key] = lines[key] substr($0, 5 + length($2)) "\n"
      }
      END {
        for (i = 1; i <= count; i++)
          printf "%s %s%s\n%s", ((order[i] in there) ? "+" : "-"), place, order[i], lines[order[i]]
      }
    ' || exit 1
  done
done
"""
)

#: ``ours VARIANT FAMILY``: everything of ours, as lines of iptables-save.
_OURS = r"""
ours() {
  { $(tool $1 $2)-save || echo failed; } | awk '
    $0 == "failed" { bad = 1 }
    /^\*/ || /^:SVCFORM-/ || /^-A SVCFORM-/ || /^-A .*-[jg] SVCFORM-/
    END { exit bad }
  '
}
"""

CHECKPOINT_SAVE = (
    _FUNCTIONS
    + _OURS
    + shell_source("keep.sh")
    + r"""
umask 077
for variant in nft legacy; do
  for family in ip ip6; do
    file=$1/iptables.$variant.$family
    text=
    if has $variant $family && command -v $(tool $variant $family)-save >/dev/null 2>&1; then
      text=$(ours $variant $family) || exit 1
    fi
    keep "$file.new" "$text" && mv "$file.new" "$file" || exit 1
  done
done
"""
)

#: A restore for each table: empties and fills our chains, puts our jumps back, removes the rest.
#: Jumps that are as they were stay where they are.
CHECKPOINT_RESTORE = (
    _FUNCTIONS
    + _OURS
    + r"""
moment=going
! cat "$1"/iptables.nft.ip "$1"/iptables.nft.ip6 "$1"/iptables.legacy.ip "$1"/iptables.legacy.ip6 \
  2>/dev/null | grep -q SVCFORM- || moment=coming
[ "${2:-$moment}" = $moment ] || exit 0
status=0
for variant in nft legacy; do
  for family in ip ip6; do
    saved=$1/iptables.$variant.$family
    [ -f "$saved" ] || continue
    tool=$(tool $variant $family)
    if ! command -v $tool-restore >/dev/null 2>&1; then
      grep -q SVCFORM- "$saved" && { echo "$tool-restore is missing" >&2; status=1; }
      continue
    fi
    now=
    ! has $variant $family || now=$(ours $variant $family) || { status=1; continue; }
    # Nothing is loaded where nothing moved.
    [ "$now" != "$(cat "$saved")" ] || continue
    for table in filter nat mangle; do
      todo=$({ cat "$saved"; echo ==; printf '%s\n' "$now"; } | awk -v table="$table" '
        $0 == "==" { live = 1; here = 0; next }
        /^\*/ { here = (substr($0, 2) == table); next }
        !here { next }
        /^:/ { name = substr($1, 2); if (live) now[name] = 1; else chain[name] = 1; next }
        $2 ~ /^SVCFORM-/ { if (!live) rule[++rules] = $0; next }
        {
          text = substr($0, 4)
          if (live) { old[++olds] = text; has[$2] = has[$2] "\n" text }
          else { jump[++jumps] = text; had[$2] = had[$2] "\n" text }
        }
        END {
          for (name in chain) print ":" name " - [0:0]"
          for (name in now) if (!(name in chain)) print ":" name " - [0:0]"
          for (i = 1; i <= olds; i++) {
            split(old[i], word, " ")
            if (had[word[1]] != has[word[1]]) print "-D " old[i]
          }
          for (i = 1; i <= rules; i++) print rule[i]
          for (i = jumps; i >= 1; i--) {
            split(jump[i], word, " ")
            if (had[word[1]] != has[word[1]])
              print "-I " word[1] " 1 " substr(jump[i], length(word[1]) + 2)
          }
          for (name in now) if (!(name in chain)) print "-X " name
        }
      ') || { status=1; continue; }
      [ -n "$todo" ] || continue
      {
        echo "*$table"
        case $($tool -V) in *v1.8.4*nf_tables*) echo "-S OUTPUT" ;; esac
        printf '%s\nCOMMIT\n' "$todo"
      } | $tool-restore --noflush -w 5 >/dev/null || status=1
    done
  done
done
exit $status
"""
)
