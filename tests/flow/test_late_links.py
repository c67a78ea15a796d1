"""An arena misses nothing of a flow, however late its packets come."""

from __future__ import annotations

import dataclasses
import socket
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from svcform.model.net import Protocol
from tests.flow import worlds
from tests.flow.arena import Flow, open_arena

pytestmark = pytest.mark.root
_LATE = 0.1
_CLAMP = "*mangle\n-A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1000\nCOMMIT\n"
_FLOWS = [
    Flow("203.0.113.5", "192.0.2.200", 80),
    Flow("2001:db8:113::5", "2001:db8:2::10", 444),
    Flow("2001:db8:113::5", "2001:db8:2::10", 444, Protocol.UDP),
    Flow("192.168.0.2", "192.0.2.200", 80),
    Flow("203.0.113.5", "192.168.0.2", 80),
]


@dataclass(slots=True)
class _LateLink:
    """A link that carries each packet of the world's a while after it was sent, in order."""

    link: socket.socket
    under_way: deque[tuple[float, bytes]] = field(default_factory=deque)

    def fileno(self) -> int:
        return self.link.fileno()

    def send(self, data: bytes) -> None:
        self.under_way.append((time.monotonic() + _LATE, data))

    def recvfrom(self, size: int) -> tuple[bytes, tuple]:
        while self.under_way and self.under_way[0][0] <= time.monotonic():
            self.link.send(self.under_way.popleft()[1])
        return self.link.recvfrom(size)


@pytest.mark.parametrize("rules", ["", _CLAMP], ids=["as sent", "with options"])
def test_packets_that_come_late_are_waited_for(tmp_path: Path, rules: str):
    with open_arena(tmp_path, worlds.NODE_ADDRESSES) as arena:
        for tool in ("iptables-restore", "ip6tables-restore"):
            arena.run(tool, given=rules.encode())
        late = dataclasses.replace(arena, link=_LateLink(arena.link))

        seen = late.send(_FLOWS)

    assert [(each.verdict, each.address, each.answered) for each in seen] == [
        ("delivered", flow.destination, True) for flow in _FLOWS
    ]
