"""Rules of nft as typed statements that write and read themselves.

Only what svcform's own tables hold is understood; any other statement is :class:`Unknown`, which
equals nothing but its own text.  What is written is what nft 1.0.6 and later take, and ``read``
takes what ``nft -n list`` and plain ``nft list`` print of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from svcform.lang.nft.numbers import handle, number, seconds

#: TCP, UDP, SCTP.  Numbers, because names need /etc/protocols on the node.
TRANSPORT = "meta l4proto { 6, 17, 132 }"
_PROTOCOL_NUMBERS = {"tcp": "6", "udp": "17", "sctp": "132"}
_PROTOCOL_NAMES = {number: name for name, number in _PROTOCOL_NUMBERS.items()}


@dataclass(frozen=True, slots=True)
class New:
    """The packet may begin a connection."""

    def write(self) -> str:
        """The statement."""
        return "ct state new"


@dataclass(frozen=True, slots=True)
class Translated:
    """The connection's destination was rewritten."""

    def write(self) -> str:
        """The statement."""
        return "ct status dnat"


@dataclass(frozen=True, slots=True)
class Transport:
    """TCP, UDP or SCTP, which have ports."""

    def write(self) -> str:
        """The statement."""
        return TRANSPORT


@dataclass(frozen=True, slots=True)
class Over:
    """One transport protocol: ``tcp``, ``udp`` or ``sctp``."""

    protocol: str

    def write(self) -> str:
        """The statement."""
        return f"meta l4proto {_PROTOCOL_NUMBERS[self.protocol]}"


@dataclass(frozen=True, slots=True)
class FromHere:
    """The source is an address of the node itself."""

    def write(self) -> str:
        """The statement."""
        return "fib saddr type local"


@dataclass(frozen=True, slots=True)
class Marked:
    """Bits of the packet's mark are not what is given; of one bit and 0: it is set."""

    bits: int
    unlike: int = 0

    def write(self) -> str:
        """The statement."""
        return f"meta mark & {self.bits:#x} != {self.unlike:#x}"


@dataclass(frozen=True, slots=True)
class In:
    """Some of the packet's fields are (not) in a set: ``In("ip saddr . ip daddr", "hairpin")``."""

    fields: str
    set: str
    negated: bool = False

    def write(self) -> str:
        """The statement."""
        return f"{self.fields} {'!= ' if self.negated else ''}@{self.set}"


@dataclass(frozen=True, slots=True)
class Priority:
    """Bits of the packet's priority have a value."""

    mask: int
    value: int

    def write(self) -> str:
        """The statement."""
        return f"meta priority & {handle(self.mask)} == {handle(self.value)}"


@dataclass(frozen=True, slots=True)
class SetPriority:
    """Keep some bits of the packet's priority, and set others; ``SetPriority(0, 0)`` clears it."""

    keep: int
    value: int

    def write(self) -> str:
        """The statement."""
        if not self.keep:
            return f"meta priority set {handle(self.value)}"
        if not self.value:
            return f"meta priority set meta priority & {handle(self.keep)}"
        keep = handle(self.keep | self.value)
        return f"meta priority set meta priority & {keep} | {handle(self.value)}"


@dataclass(frozen=True, slots=True)
class LookUpPriority:
    """Take the priority from a map; the rule ends here for what isn't in it."""

    fields: str
    map: str

    def write(self) -> str:
        """The statement."""
        return f"meta priority set {self.fields} map @{self.map}"


@dataclass(frozen=True, slots=True)
class SetMark:
    """Set a bit of the packet's mark, or clear it."""

    bit: int
    on: bool

    def write(self) -> str:
        """The statement."""
        operation = f"| {self.bit:#x}" if self.on else f"& {0xFFFFFFFF & ~self.bit:#x}"
        return f"meta mark set meta mark {operation}"


@dataclass(frozen=True, slots=True)
class Dispatch:
    """Do what a map of verdicts says for the priority."""

    map: str

    def write(self) -> str:
        """The statement."""
        return f"meta priority vmap @{self.map}"


@dataclass(frozen=True, slots=True)
class Choose:
    """Do what the value of some bits of the priority says: pairs of values and chains to go to."""

    mask: int
    chains: tuple[tuple[int, str], ...]

    def write(self) -> str:
        """The statement."""
        cases = ", ".join(f"{handle(value)} : goto {chain}" for value, chain in self.chains)
        return f"meta priority & {handle(self.mask)} vmap {{ {cases} }}"


@dataclass(frozen=True, slots=True)
class Dnat:
    """Send the connection to the address and port that a map, or a map for each, has.

    With a map for each, ``family`` is empty.
    nft 1.0.6 takes back no map whose data end in ``th dport`` for the former: a rule that is added
    to a table that is there already would be refused.  ``tcp dport`` and the like it does.
    """

    family: str
    fields: str
    map: str
    port_map: str = ""

    def write(self) -> str:
        """The statement."""
        if self.port_map:
            port = f"{self.fields} map @{self.port_map}"
            return f"dnat to {self.fields} map @{self.map} : {port}"
        return f"dnat {self.family} addr . port to {self.fields} map @{self.map}"


@dataclass(frozen=True, slots=True)
class Masquerade:
    """Rewrite the source, with a port that nobody can foretell."""

    def write(self) -> str:
        """The statement."""
        return "masquerade fully-random"


@dataclass(frozen=True, slots=True)
class Update:
    """Remember a packet's fields for a time; what is remembered already only lives longer."""

    map: str
    fields: str
    seconds: int
    data: str

    def write(self) -> str:
        """The statement."""
        return f"update @{self.map} {{ {self.fields} timeout {self.seconds}s : {self.data} }}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """``accept``, ``drop``, ``return``."""

    name: str

    def write(self) -> str:
        """The statement."""
        return self.name


@dataclass(frozen=True, slots=True)
class Reject:
    """ICMP port unreachable, for every protocol."""

    def write(self) -> str:
        """The statement."""
        return "reject"


@dataclass(frozen=True, slots=True)
class Jump:
    """Go to a chain, and come back at its end."""

    chain: str

    def write(self) -> str:
        """The statement."""
        return f"jump {self.chain}"


@dataclass(frozen=True, slots=True)
class Goto:
    """Go to a chain for good."""

    chain: str

    def write(self) -> str:
        """The statement."""
        return f"goto {self.chain}"


@dataclass(frozen=True, slots=True)
class Unknown:
    """Whatever else stands in a rule."""

    text: str

    def write(self) -> str:
        """The text as it was read."""
        return self.text


Statement = (
    New
    | Translated
    | Transport
    | Over
    | FromHere
    | Marked
    | In
    | Priority
    | SetPriority
    | LookUpPriority
    | SetMark
    | Dispatch
    | Choose
    | Dnat
    | Masquerade
    | Update
    | Verdict
    | Reject
    | Jump
    | Goto
    | Unknown
)

Rule = tuple[Statement, ...]


def write(rule: Rule) -> str:
    """The rule on one line, as it stands in a script."""
    return " ".join(statement.write() for statement in rule)


@lru_cache(maxsize=65536)
def read(text: str) -> Rule:
    """A rule as nft lists it."""
    found: list[Statement] = []
    rest = " ".join(text.split())
    while rest:
        for pattern, make in _READERS:
            match = pattern.match(rest)
            if match:
                found.append(make(match))
                rest = rest[match.end() :]
                break
        else:
            found.append(Unknown(rest))
            break
    return tuple(found)


def canonical(text: str) -> str:
    """The rule as svcform writes it, however nft printed it."""
    return write(read(text))


_WORD = r"[a-z][a-z0-9-]*"
_FIELD = (
    r"(?:ip6? [sd]addr|th dport|meta (?:priority|l4proto|length)"
    r"|numgen random mod \d+|@nh,\d+,\d+)"
)
_FIELDS = rf"{_FIELD}(?: \. {_FIELD})*"
_HANDLE = r"none|root|[0-9a-f]*:[0-9a-f]*|0x[0-9a-f]+|\d+"
_CASE = rf"(?:{_HANDLE}) : goto {_WORD}"
_HEX = r"0x[0-9a-f]+|\d+"


def _set_mark(found: re.Match[str]) -> SetMark:
    value = number(found[2])
    return SetMark(value, on=True) if found[1] == "|" else SetMark(0xFFFFFFFF & ~value, on=False)


def _set_priority(found: re.Match[str]) -> SetPriority:
    value = number(found[2] or "none")
    return SetPriority(number(found[1]) & ~value, value)


def _choose(found: re.Match[str]) -> Choose:
    cases = (case.split(" : goto ") for case in found[2].split(", "))
    return Choose(number(found[1]), tuple((number(value), chain) for value, chain in cases))


def _update(found: re.Match[str]) -> Update:
    return Update(found[1], found[2], seconds(found[3]), found[4])


def _transport(found: re.Match[str]) -> Statement:
    names = {_PROTOCOL_NUMBERS.get(name, name) for name in found[1].split(", ")}
    is_known = names == {"6", "17", "132"}
    return Transport() if is_known else Unknown(found[0].strip())


# In this order: what can be the beginning of something longer comes after it.
_READERS = tuple(
    (re.compile(rf"(?:{pattern})(?: |$)"), make)
    for pattern, make in (
        (r"ct state (?:new|0x0*8)", lambda _: New()),
        (r"ct status (?:dnat|0x0*20)", lambda _: Translated()),
        (r"meta l4proto \{ ([a-z0-9]+(?:, [a-z0-9]+)*) \}", _transport),
        (
            r"meta l4proto (6|17|132|tcp|udp|sctp)",
            lambda m: Over(_PROTOCOL_NAMES.get(m[1], m[1])),
        ),
        (r"fib saddr type (?:local|2)", lambda _: FromHere()),
        (
            rf"meta mark & ({_HEX}) != ({_HEX})",
            lambda m: Marked(number(m[1]), number(m[2])),
        ),
        # nft 1.0.6, where the bits are the highest ones.
        (
            rf"meta mark != ({_HEX})/(\d+)",
            lambda m: Marked(0xFFFFFFFF << (32 - int(m[2])) & 0xFFFFFFFF, number(m[1])),
        ),
        (rf"meta mark set meta mark ([|&]) ({_HEX})", _set_mark),
        (rf"meta priority set meta priority & ({_HANDLE})(?: \| ({_HANDLE}))?", _set_priority),
        (
            rf"meta priority set ({_FIELDS}) map @({_WORD})",
            lambda m: LookUpPriority(m[1], m[2]),
        ),
        (rf"meta priority set ({_HANDLE})", lambda m: SetPriority(0, number(m[1]))),
        (
            rf"meta priority & ({_HANDLE}) vmap \{{ ({_CASE}(?:, {_CASE})*) \}}",
            _choose,
        ),
        (
            rf"meta priority & ({_HANDLE}) == ({_HANDLE})",
            lambda m: Priority(number(m[1]), number(m[2])),
        ),
        (rf"meta priority vmap @({_WORD})", lambda m: Dispatch(m[1])),
        (
            rf"dnat(?: ip6?)? to ({_FIELDS}) map @({_WORD}) ?: ?\1 map @({_WORD})",
            lambda m: Dnat("", m[1], m[2], m[3]),
        ),
        (
            rf"dnat (ip6?)(?: addr \. port)? to ({_FIELDS}) map @({_WORD})",
            lambda m: Dnat(m[1], m[2], m[3]),
        ),
        (r"masquerade fully-random", lambda _: Masquerade()),
        (
            rf"update @({_WORD}) \{{ ({_FIELDS}) timeout ([0-9dhms]+) : ({_FIELDS}) \}}",
            _update,
        ),
        (rf"({_FIELDS}) (!= )?@({_WORD})", lambda m: In(m[1], m[3], negated=bool(m[2]))),
        (
            r"reject(?: with icmp(?:v6)?(?: type)? port-unreachable)?",
            lambda _: Reject(),
        ),
        (r"(accept|drop|return)", lambda m: Verdict(m[1])),
        (rf"jump ({_WORD})", lambda m: Jump(m[1])),
        (rf"goto ({_WORD})", lambda m: Goto(m[1])),
    )
)
