"""Virtual services as ``/proc/net/ip_vs`` has them, line by line.

:data:`LIST` prints it on a node so that each line says whose it is: ``hz 250`` (the kernel's ticks
a second, for the times of persistence), ``service FWM 40001000 rr persistent 150000 FFFFFFFF`` and
``server FWM 40001000 0A4F0016:1F90 Masq 1``.  The numbers of connections are left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from svcform.lang.ipvs.service import Server, read_place

#: ``has_ipvs``, and ``virtual``: the listing.  The kernel prints ticks and ipvsadm seconds, so one
#: virtual service that is asked of both tells what a second is.
FUNCTIONS = r"""
has_ipvs() { [ -r /proc/net/ip_vs ]; }
flat() {
  awk '
    $1 == "FWM" || $1 == "TCP" || $1 == "UDP" || $1 == "SCTP" {
      place = $1 " " $2
      $1 = $2 = ""
      sub(/^ +/, "")
      sub(/ +$/, "")
      gsub(/ +/, " ")
      print "service " place " " $0
    }
    $1 == "->" && $2 != "RemoteAddress:Port" { print "server " place, $2, $3, $4 }
  ' /proc/net/ip_vs
}
number() { printf %d "0x$1"; }
caught() { # KIND PLACE: as ipvsadm takes it
  case $1$2 in
  FWM[4-7]?????[13579BDF]?) echo "-f $(number "$2") -6"; return ;;
  FWM*) echo "-f $(number "$2")"; return ;;
  esac
  port=$(number "${2##*:}") host=${2%:*}
  case $host in
  \[*) ;;
  *)
    a=${host%??????} d=${host#??????} b=${host#??} c=${host#????}
    host=$(number "$a").$(number "${b%????}").$(number "${c%??}").$(number "$d") ;;
  esac
  case $1 in TCP) echo "-t $host:$port" ;; UDP) echo "-u $host:$port" ;;
  SCTP) echo "--sctp-service $host:$port" ;; esac
}
ticks() { # of a second; nothing where nobody is persistent
  flat | awk '$1 == "service" && / persistent / { print $2, $3; for (i = 4; i < NF; i++)
    if ($i == "persistent") print $(i + 1); exit }' | {
    read -r kind place && read -r ticks || exit 0
    for six in '' ' -6'; do
      # shellcheck disable=SC2046 # words are meant
      seconds=$(ipvsadm -L -n $(caught "$kind" "$place")$six 2>/dev/null |
        sed -n 's/.* persistent \([0-9]*\).*/\1/p')
      [ -z "$seconds" ] || { echo $((ticks / seconds)); break; }
    done
  }
}
virtual() {
  hz=$(ticks)
  [ -z "$hz" ] || echo "hz $hz"
  flat
}
"""


@dataclass(frozen=True, slots=True)
class Found:
    """A virtual service; ``place`` is how the listing names it.

    ``seconds`` are those that a client stays.  ``listed`` are the lines of it and of its servers
    that take new connections, which are those of ``servers``.
    """

    place: str
    scheduler: str
    seconds: int | None = None
    servers: list[Server] = field(default_factory=list)
    listed: list[str] = field(default_factory=list)


def parse(text: str) -> dict[str, Found]:
    """All virtual services by place; raises ValueError, KeyError or IndexError for other text.

    A server at weight 0 takes no new connections: it is leaving, and counts as gone.
    """
    found: dict[str, Found] = {}
    ticks = 0
    for line in text.splitlines():
        kind, *words = line.split(" ")
        if kind == "hz":
            ticks = int(words[0])
        elif kind == "service":
            place = f"{words[0]} {words[1]}"
            seconds = _seconds(words[3:], ticks)
            found[place] = Found(place, words[2], seconds, [], [line])
        elif kind == "server":
            service = found[f"{words[0]} {words[1]}"]
            weight = int(words[4])
            if weight:
                service.servers.append(Server(*read_place(words[2]), weight, words[3]))
                service.listed.append(line)
        else:
            raise ValueError(line)
    return found


def _seconds(flags: list[str], ticks: int) -> int | None:
    if "persistent" not in flags:
        return None
    return int(flags[flags.index("persistent") + 1]) // ticks
