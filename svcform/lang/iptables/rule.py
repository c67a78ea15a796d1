"""Rules as typed statements that write themselves as ``iptables-save`` prints them.

The text of a rule is canonical: what stands behind ``-A CHAIN`` in the listing of any supported
version (1.8.4 to 1.8.11, both variants) reads back to the rule that wrote it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

#: xt_statistic stores a probability as a fraction of this (``XT_STATISTIC``, 31 bits).
PROBABILITY_ONE = 0x80000000


class Port(NamedTuple):
    """The destination port, or an inclusive range of ports; needs the rule's protocol."""

    low: int
    high: int

    def write(self, protocol: str) -> str:
        """``-m tcp --dport 80`` or ``-m tcp --dport 80:89``."""
        ports = str(self.low) if self.low == self.high else f"{self.low}:{self.high}"
        return f"-m {protocol} --dport {ports}"


class Statistic(NamedTuple):
    """Matches at random: ``weight`` out of 2**31."""

    weight: int

    def write(self, protocol: str) -> str:  # noqa: ARG002 - one signature for all matches
        """``-m statistic --mode random --probability 0.50000000000``."""
        return _statistic(self.weight)


class Recent(NamedTuple):
    """xt_recent on the source address.

    With ``seconds`` it matches, and renews, a source seen within so many seconds (``--update``);
    without, it notes the source and always matches (``--set``).
    """

    name: str
    mask: str
    seconds: int | None = None

    def write(self, protocol: str) -> str:  # noqa: ARG002 - one signature for all matches
        """``-m recent --set --name X --mask 255.255.255.255 --rsource``, or with ``--update``."""
        what = "--set" if self.seconds is None else f"--update --seconds {self.seconds} --reap"
        return f"-m recent {what} --name {self.name} --mask {self.mask} --rsource"


class Conntrack(NamedTuple):
    """The state of the packet's connection, or what it was addressed to before NAT.

    ``states`` are in the order in which the tool prints them; ``destination`` is a CIDR, ``ports``
    an inclusive range; ``direction`` is ``ORIGINAL`` for packets that go where the first one went.
    Empty means that it doesn't matter.
    """

    states: tuple[str, ...] = ()
    negated: bool = False
    destination: str = ""
    ports: tuple[int, int] | None = None
    direction: str = ""

    def write(self, protocol: str) -> str:  # noqa: ARG002 - one signature for all matches
        """``-m conntrack --ctstate NEW`` and so on."""
        parts = ["-m conntrack"]
        if self.states:
            parts.append(f"{'! ' if self.negated else ''}--ctstate {','.join(self.states)}")
        if self.destination:
            # Printed without the length of a whole address, unlike -d.
            address, _, length = self.destination.partition("/")
            is_host = length == ("128" if ":" in address else "32")
            parts.append(f"--ctorigdst {address if is_host else self.destination}")
        if self.ports:
            low, high = self.ports
            parts.append(f"--ctorigdstport {low if low == high else f'{low}:{high}'}")
        if self.direction:
            parts.append(f"--ctdir {self.direction}")
        return " ".join(parts)


class Mark(NamedTuple):
    """The packet's mark, under a mask."""

    value: int
    mask: int
    negated: bool = False

    def write(self, protocol: str) -> str:  # noqa: ARG002 - one signature for all matches
        """``-m mark --mark 0x2000/0x2000``; a mask of all bits is not printed."""
        mask = "" if self.mask == 0xFFFFFFFF else f"/{self.mask:#x}"
        return f"-m mark {'! ' if self.negated else ''}--mark {self.value:#x}{mask}"


class ConnectionMark(NamedTuple):
    """The mark of the packet's connection, under a mask."""

    value: int
    mask: int

    def write(self, protocol: str) -> str:  # noqa: ARG002 - one signature for all matches
        """``-m connmark --mark 0x2000/0x2000``; a mask of all bits is not printed."""
        mask = "" if self.mask == 0xFFFFFFFF else f"/{self.mask:#x}"
        return f"-m connmark --mark {self.value:#x}{mask}"


class InSet(NamedTuple):
    """The packet's ``fields`` (``dst,dst,src``) are in a set of ipset's."""

    name: str
    fields: str
    negated: bool = False

    def write(self, protocol: str) -> str:  # noqa: ARG002 - one signature for all matches
        """``-m set --match-set NAME dst,dst``."""
        return f"-m set {'! ' if self.negated else ''}--match-set {self.name} {self.fields}"


class LocalSource(NamedTuple):
    """The source is an address of the node itself."""

    def write(self, protocol: str) -> str:  # noqa: ARG002 - one signature for all matches
        """``-m addrtype --src-type LOCAL``."""
        return "-m addrtype --src-type LOCAL"


Match = Port | Statistic | Recent | Conntrack | Mark | ConnectionMark | InSet | LocalSource


class Verdict(NamedTuple):
    """A target without options: ACCEPT, DROP, RETURN, or a chain to jump to."""

    name: str

    def write(self) -> str:
        """``-j ACCEPT``."""
        return f"-j {self.name}"


class Goto(NamedTuple):
    """Go on in a chain, and return to where this chain was jumped to from."""

    chain: str

    def write(self) -> str:
        """``-g CHAIN``."""
        return f"-g {self.chain}"


class Dnat(NamedTuple):
    """Rewrite the destination."""

    address: str
    port: int

    def write(self) -> str:
        """``-j DNAT --to-destination 10.0.0.1:80``, an IPv6 address in brackets."""
        if ":" in self.address:
            return f"-j DNAT --to-destination [{self.address}]:{self.port}"
        return f"-j DNAT --to-destination {self.address}:{self.port}"


class SetMark(NamedTuple):
    """Set the bits of ``mask`` in the packet's mark to those of ``value``."""

    value: int
    mask: int

    def write(self) -> str:
        """``-j MARK --set-xmark 0x2000/0x2000``."""
        return f"-j MARK --set-xmark {self.value:#x}/{self.mask:#x}"


class SetConnectionMark(NamedTuple):
    """Set the bits of ``mask`` in the connection's mark to those of ``value``."""

    value: int
    mask: int

    def write(self) -> str:
        """``-j CONNMARK --set-xmark 0x2000/0x2000``."""
        return f"-j CONNMARK --set-xmark {self.value:#x}/{self.mask:#x}"


class MapMark(NamedTuple):
    """Set the packet's mark to what a set of ipset's holds for its ``fields``, if anything."""

    name: str
    fields: str

    def write(self) -> str:
        """``-j SET --map-set NAME dst,dst --map-mark``."""
        return f"-j SET --map-set {self.name} {self.fields} --map-mark"


class Masquerade(NamedTuple):
    """Rewrite the source to the node's, from a port chosen at random."""

    def write(self) -> str:
        """``-j MASQUERADE --random-fully``."""
        return "-j MASQUERADE --random-fully"


class Reject(NamedTuple):
    """Answer with an ICMP error: ``icmp-port-unreachable`` or ``icmp6-port-unreachable``."""

    answer: str

    def write(self) -> str:
        """``-j REJECT --reject-with icmp-port-unreachable``."""
        return f"-j REJECT --reject-with {self.answer}"


Target = Verdict | Goto | Dnat | SetMark | SetConnectionMark | MapMark | Masquerade | Reject


class Rule(NamedTuple):
    """One rule of a chain; addresses are canonical CIDRs (``10.0.0.1/32``), empty means any."""

    target: Target
    matches: tuple[Match, ...] = ()
    protocol: str = ""
    source: str = ""
    destination: str = ""
    source_negated: bool = False

    def write(self) -> str:
        """The rule as it stands behind ``-A CHAIN``."""
        parts = []
        if self.source:
            parts.append(f"! -s {self.source}" if self.source_negated else f"-s {self.source}")
        if self.destination:
            parts.append(f"-d {self.destination}")
        if self.protocol:
            parts.append(f"-p {self.protocol}")
        parts += [match.write(self.protocol) for match in self.matches]
        parts.append(self.target.write())
        return " ".join(parts)


ACCEPT, DROP, RETURN = Verdict("ACCEPT"), Verdict("DROP"), Verdict("RETURN")


@lru_cache(maxsize=65536)
def one_of(count: int) -> Statistic:
    """Matches one packet of ``count``."""
    return Statistic(round(PROBABILITY_ONE / count))


def share(part: int, whole: int) -> Statistic:
    """Matches ``part`` of ``whole`` packets."""
    return Statistic(round(PROBABILITY_ONE * part / whole))


@lru_cache(maxsize=65536)
def _statistic(weight: int) -> str:
    return f"-m statistic --mode random --probability {weight / PROBABILITY_ONE:.11f}"
