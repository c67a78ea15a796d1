"""Numbers that packets carry in their priority from the look-up to the DNAT and to the learning.

A Service port has 16 of them: of its frontends, what is to be done with their packets; of its two
lists of endpoints, which one it is.  All are between 0x40000000 and 0x7fffffff, where no program
and hardly any class of traffic control is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from svcform.policy.intent import PortGroup, PortIntent

FIRST = 0x40000000
#: The bits that tell numbers of ours from others'.
OURS = 0xC0000000
PORT_BITS = 0xFFFFFFF0
TREATMENT_BITS = 0x7
#: The source is asked for first.
LIMITED = 0x8
#: The second list of a Service port: its endpoints under traffic policy Local.
LOCAL_LIST = 0x1


class Treatment(IntEnum):
    """What becomes of packets to a frontend: which list, and who is masqueraded."""

    REJECT = 0
    CLUSTER = 1
    CLUSTER_UNLESS_LOCAL_POD = 2
    CLUSTER_MASQUERADED = 3
    EXTERNAL_LOCAL = 4
    LOCAL = 5
    LOCAL_UNLESS_LOCAL_POD = 6
    LOCAL_MASQUERADED = 7


@dataclass(frozen=True, slots=True, eq=False)
class Ids:
    """The first number of each Service port; compared by identity."""

    by_name: Mapping[str, int]

    def of(self, port: PortIntent) -> int:
        """The port's first number, the same in both families."""
        return self.by_name[id_text(port)]


def id_text(port: PortIntent) -> str:
    """What a port's numbers depend on."""
    return f"{port.name}/{port.protocol.value}"


def ids_of(common: PortGroup, own: PortGroup) -> Ids:
    """The numbers of all ports; the same object where the names are the same."""
    return _assign(_names(common), _names(own))


@lru_cache(maxsize=64)
def _names(group: PortGroup) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(id_text, group.ports)))


@lru_cache(maxsize=16)
def _assign(common: tuple[str, ...], own: tuple[str, ...]) -> Ids:
    """By a hash of the name; of two with the same, the later by name takes its next one."""
    taken: dict[int, str] = {}
    for name in sorted({*common, *own}):
        number = next(n for n in _candidates(name) if n not in taken)
        taken[number] = name
    return Ids({name: number for number, name in taken.items()})


def _candidates(name: str) -> Iterable[int]:
    digest = hashlib.sha256(name.encode()).digest()
    while True:
        yield FIRST | (int.from_bytes(digest[:4]) & 0x3FFFFFF) << 4
        digest = hashlib.sha256(digest).digest()
