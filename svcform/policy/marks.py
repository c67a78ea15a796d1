"""Numbers in packets' marks that say what becomes of a packet: they lead it to a virtual service.

A mark of a frontend is ``01``, 25 bits of its Service port, and five bits that say the rest.  What
of it a virtual service has is without :data:`FLAGS`: all frontends of a Service port that spread
over the same endpoints share one.  The highest bits tell marks of ours from others'.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from svcform.model.net import Family
from svcform.model.service import TrafficPolicy
from svcform.policy.intent import (
    Frontend,
    FrontendKind,
    Masquerade,
    Pool,
    PortGroup,
    PortIntent,
    Route,
    Verdict,
)

FIRST = 0x40000000
OURS = 0xC0000000
#: The second list of a Service port: its endpoints under traffic policy Local.
LOCAL_LIST = 0x01
#: Who is masqueraded, or that a verdict stands in the lowest bit.
TREATMENT = 0x06
UNLESS_LOCAL_POD = 0x02
ALWAYS = 0x04
REJECT = 0x06
DROP = 0x07
#: What a packet carries that is to be rejected: none of ours, for it must not be taken for the
#: node's own, whose ICMP errors would have to come from an address that the node doesn't have.
REFUSED = 0x80737663
#: The source is asked for first.
LIMITED = 0x08
#: A family that shows also where a virtual service has no server.
IPV6 = 0x10
FLAGS = TREATMENT | LIMITED
#: What a mark says of a Service port, in both families.
PORT = 0xFFFFFFE0

_MASQUERADES = {
    Masquerade.NEVER: 0,
    Masquerade.UNLESS_LOCAL_POD: UNLESS_LOCAL_POD,
    Masquerade.ALWAYS: ALWAYS,
}
_VERDICTS = {Verdict.REJECT: REJECT, Verdict.DROP: DROP}


@dataclass(frozen=True, slots=True, eq=False)
class Marks:
    """The first mark of each Service port; compared by identity."""

    by_name: Mapping[str, int]

    def of(self, port: PortIntent) -> int:
        """The first mark of a port in its family, that of its virtual service for everybody."""
        return self.by_name[_name(port)] | (IPV6 if port.family is Family.IPV6 else 0)


def marks_of(common: PortGroup, own: PortGroup) -> Marks:
    """The marks of all ports; the same object where the names are the same."""
    return _assign(_names(common), _names(own))


def is_ours(mark: int) -> bool:
    """Whether a mark is one of svcform's."""
    return mark & OURS == FIRST


def has_list(mark: int) -> bool:
    """Whether a virtual service with this mark can be svcform's: none has flags, or no number."""
    return is_ours(mark) and not mark & FLAGS and mark & PORT != FIRST


def list_mark(first: int, port: PortIntent, frontend: Frontend, route: Route) -> int:
    """The mark of the virtual service that a route of a frontend leads to."""
    return first | (LOCAL_LIST if _is_local(port, frontend, route) else 0)


def is_sticky(route: Route) -> bool:
    """Whether clients stay where they are."""
    return isinstance(route.to, Pool) and route.to.affinity_seconds is not None


def outside_mark(first: int, port: PortIntent, frontend: Frontend) -> int:
    """What a packet from elsewhere carries: the frontend's last route is for everybody.

    A sticky one carries no number of a port's: IPVS translates no ports for clients that stay with
    a mark (Linux, ``ip_vs_sched_persist``), so it has a virtual service with its own address.
    """
    route = frontend.routes[-1]
    number = FIRST if is_sticky(route) else list_mark(first, port, frontend, route)
    return _flagged(number, frontend, route, _treatment(route))


def inside_mark(first: int, port: PortIntent, frontend: Frontend) -> int | None:
    """What a packet of the node and its own pods carries, where that differs from outside's.

    The routes before the last are one but for the masquerade, which the node's own pods don't need.
    """
    if len(frontend.routes) == 1:
        return None
    route = frontend.routes[0]
    treatment = _VERDICTS[route.to] if isinstance(route.to, Verdict) else UNLESS_LOCAL_POD
    return _flagged(list_mark(first, port, frontend, route), frontend, route, treatment)


def _flagged(number: int, frontend: Frontend, route: Route, treatment: int) -> int:
    limited = LIMITED if frontend.allowed_sources is not None else 0
    kept = number & ~LOCAL_LIST if isinstance(route.to, Verdict) else number
    return kept | treatment | limited


def _treatment(route: Route) -> int:
    if isinstance(route.to, Verdict):
        return _VERDICTS[route.to]
    return _MASQUERADES[route.masquerade]


def _is_local(port: PortIntent, frontend: Frontend, route: Route) -> bool:
    if len(frontend.routes) > 1:
        # Under externalTrafficPolicy Local the last of several routes is that of the outside.
        return route is frontend.routes[-1]
    is_internal = frontend.kind is FrontendKind.CLUSTER_IP
    return is_internal and port.internal_policy is TrafficPolicy.LOCAL


def _name(port: PortIntent) -> str:
    return f"{port.name}/{port.protocol.value}"


@lru_cache(maxsize=64)
def _names(group: PortGroup) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(_name, group.ports)))


@lru_cache(maxsize=16)
def _assign(common: tuple[str, ...], own: tuple[str, ...]) -> Marks:
    """By a hash of the name; of two with the same, the later by name takes its next one."""
    taken: dict[int, str] = {FIRST: ""}
    for name in sorted({*common, *own}):
        number = next(n for n in _candidates(name) if n not in taken)
        taken[number] = name
    return Marks({name: number for number, name in taken.items()})


def _candidates(name: str) -> Iterator[int]:
    digest = hashlib.sha256(name.encode()).digest()
    while True:
        yield FIRST | (int.from_bytes(digest[:4]) & 0x1FFFFFF) << 5
        digest = hashlib.sha256(digest).digest()


def pools(first: int, port: PortIntent) -> dict[int, Pool]:
    """The lists of a port that marks lead to."""
    found: dict[int, Pool] = {}
    for frontend in port.frontends:
        for route in frontend.routes:
            has_address = is_sticky(route) and route is frontend.routes[-1]
            if isinstance(route.to, Pool) and not has_address:
                found[list_mark(first, port, frontend, route)] = route.to
    return found
