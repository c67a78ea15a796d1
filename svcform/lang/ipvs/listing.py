"""Virtual services as ``/proc/net/ip_vs`` has them, line by line.

``virtual`` prints it on a node so that each line says whose it is: ``hz 250`` (the kernel's ticks
a second, for the times of persistence), ``service FWM 40001000 rr persistent 150000 FFFFFFFF``,
``service FWM 40001010 mh -b mh-fallback,mh-port`` and ``server FWM 40001000 0A4F0016:1F90 Masq 1``.
The numbers of connections are left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from svcform.lang.ipvs.service import Server, flags_of, read_place

#: Functions of awk: what stands in the listing as ipvsadm takes it, and back.
PLACES = r"""
  function number(text,   i, n) {
    for (i = 1; i <= length(text); i++)
      n = n * 16 + index("0123456789ABCDEF", toupper(substr(text, i, 1))) - 1
    return n
  }
  function hex(n, digits,   text) {
    for (text = ""; digits > 0; digits--) {
      text = substr("0123456789ABCDEF", n % 16 + 1, 1) text
      n = int(n / 16)
    }
    return text
  }
  function six(text,   n, part, i, head, out) { # all eight groups of four digits
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
    return "[" toupper(out) "]"
  }
  function place(host, port,   byte) { # 0A4F0016:1F90
    if (host ~ /:/) host = six(host)
    else {
      split(host, byte, ".")
      host = hex(byte[1], 2) hex(byte[2], 2) hex(byte[3], 2) hex(byte[4], 2)
    }
    return host ":" hex(port, 4)
  }
  function endpoint(at,   host, port) { # 10.79.0.22:8080
    port = at
    sub(/.*:/, "", port)
    host = substr(at, 1, length(at) - length(port) - 1)
    if (host !~ /^\[/)
      host = number(substr(host, 1, 2)) "." number(substr(host, 3, 2)) "." \
        number(substr(host, 5, 2)) "." number(substr(host, 7, 2))
    return host ":" number(port)
  }
  function caught(kind, at) { # which virtual service; one of our marks says its family
    if (kind == "FWM")
      return sprintf("-f %.0f%s", number(at), at ~ /^[4-7].....[13579BDF].$/ ? " -6" : "")
    return (kind == "TCP" ? "-t " : kind == "UDP" ? "-u " : "--sctp-service ") endpoint(at)
  }
"""

#: ``say`` prints lines by the hundred: busybox's awk asks the kernel to write each by itself.
SAY = r"""
  function say(line) {
    said = said line "\n"
    if (++says % 100 == 0) { printf "%s", said; said = "" }
  }
  END { printf "%s", said }
"""

#: ``has_ipvs``, and ``virtual``: the listing.  The kernel prints ticks and ipvsadm seconds, so one
#: virtual service that is asked of both tells what a second is.  Flags of schedulers are shown by
#: ipvsadm only: it is asked of a few services alone, and of many at once.
FUNCTIONS = (
    r"""
has_ipvs() { [ -r /proc/net/ip_vs ]; }
virtual() {
  awk '
"""
    + PLACES
    + SAY
    + r"""
  function look(kind, at, pattern,   version, command, line, found) {
    for (version = 0; version < 2 && !found; version++) {
      command = "ipvsadm -L -n " caught(kind, at) (version ? " -6" : "") " 2>/dev/null"
      while ((command | getline line) > 0)
        if (match(line, pattern)) found = substr(line, RSTART, RLENGTH)
      close(command)
    }
    return found
  }
  function look_at_all(   line, word, name, port, flags) {
    while (("ipvsadm -S -n" | getline line) > 0) {
      if (line !~ /^-A .* -b /) continue
      split(line, word, " ")
      name = word[3]
      port = name
      sub(/.*:/, "", port)
      sub(/:[^:]*$/, "", name)
      gsub(/[][]/, "", name)
      flags = line
      sub(/.* -b /, "", flags)
      sub(/ .*/, "", flags)
      if (word[2] == "-f") known["FWM " hex(word[3], 8)] = flags
      else known[(word[2] == "-t" ? "TCP " : word[2] == "-u" ? "UDP " : "SCTP ") \
        place(name, port)] = flags
    }
    close("ipvsadm -S -n")
    looked = 1
  }
  function flags_of(kind, at,   found) {
    if (++hashed <= 8) {
      found = look(kind, at, "[(][a-z0-9,-]*[)]")
      return substr(found, 2, length(found) - 2)
    }
    if (!looked) look_at_all()
    return known[toupper(kind " " at)]
  }
  $1 == "->" {
    if ($2 != "RemoteAddress:Port") say("server " at " " $2 " " $3 " " $4)
    next
  }
  $1 == "FWM" || $1 == "TCP" || $1 == "UDP" || $1 == "SCTP" {
    at = $1 " " $2
    rest = $3
    for (i = 4; i <= NF; i++) rest = rest " " $i
    if (!seconds && match($0, / persistent [0-9]+/)) {
      ticks = substr($0, RSTART + 12, RLENGTH - 12)
      seconds = substr(look($1, $2, " persistent [0-9]+"), 13)
      if (seconds) say("hz " int(ticks / seconds))
    }
    if ($3 == "sh" || $3 == "mh") {
      flags = flags_of($1, $2)
      if (flags != "") rest = rest " -b " flags
    }
    say("service " at " " rest)
  }
  ' /proc/net/ip_vs
}
"""
)


@dataclass(frozen=True, slots=True)
class Found:
    """A virtual service; ``place`` is how the listing names it.

    ``seconds`` are those that a client stays, and ``flags`` all other options of ipvsadm's but the
    scheduler, or None if they are svcform's.  ``listed`` are the lines of it and of its servers
    that take new connections, which are those of ``servers``; ``leaving`` are the places of others.
    """

    place: str
    scheduler: str
    seconds: int | None = None
    flags: str | None = None
    servers: list[Server] = field(default_factory=list)
    leaving: list[str] = field(default_factory=list)
    listed: list[str] = field(default_factory=list)


def parse(text: str) -> dict[str, Found]:
    """All virtual services by place; raises ValueError, KeyError or IndexError for other text.

    A server at weight 0 takes no new connections: it is leaving, and counts as gone.
    """
    found: dict[str, Found] = {}
    ticks = 0
    for line in text.splitlines():
        kind, *words = line.split(" ")
        if kind == "server":
            service = found[f"{words[0]} {words[1]}"]
            weight = int(words[4])
            if weight:
                service.servers.append(Server(*read_place(words[2]), weight, words[3]))
                service.listed.append(line)
            else:
                service.leaving.append(words[2])
        elif kind == "service":
            place = f"{words[0]} {words[1]}"
            scheduler, *rest = words[2:]
            flags = flags_of(scheduler, rest)
            found[place] = Found(place, scheduler, _seconds(rest, ticks), flags, listed=[line])
        elif kind == "hz":
            ticks = int(words[0])
        else:
            raise ValueError(line)
    return found


def _seconds(flags: list[str], ticks: int) -> int | None:
    if "persistent" not in flags:
        return None
    return int(flags[flags.index("persistent") + 1]) // ticks
