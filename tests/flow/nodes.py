"""The nodes of a module's tests: for each backend one that can carry it."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from svcform.backends.contract import Backend
from svcform.model.settings import ProxyMode, Settings
from tests.flow.arena import Arena, Kind, open_arena
from tests.flow.model import World
from tests.flow.under_test import NodeUnderTest, intent_of

#: The kernel module that a mode can't do without, where not every kernel has it.
_NEEDS = {ProxyMode.IPVS: "ip_vs"}
_EMPTY = {"iptables": ("nat", "filter", "mangle", "raw"), "ip6tables": ("nat", "filter", "mangle")}


def kind_for(backend: Backend) -> Kind:
    """A guest where the running kernel lacks what a backend needs."""
    module = _NEEDS.get(backend.mode) if backend.mode else None
    return Kind.NAMESPACE if module is None or _has(module) else Kind.GUEST


def _has(module: str) -> bool:
    if Path("/sys/module", module).exists():
        return True
    looked = subprocess.run(["modprobe", "-n", "-q", module], check=False, capture_output=True)
    return looked.returncode == 0


@dataclass(slots=True)
class Nodes:
    """Opened when they are asked for; see :func:`open_nodes`."""

    request: pytest.FixtureRequest
    addresses: Sequence[str]
    iptables: str
    stack: contextlib.ExitStack
    opened: dict[Kind, NodeUnderTest] = field(default_factory=dict)

    def of(self, backend: Backend) -> NodeUnderTest:
        """The node for a backend."""
        kind = kind_for(backend)
        if kind not in self.opened:
            open_one = {Kind.NAMESPACE: self._namespace, Kind.GUEST: self._guest}[kind]
            self.opened[kind] = NodeUnderTest(open_one())
        return self.opened[kind]

    def _namespace(self) -> Arena:
        folder = self.request.getfixturevalue("tmp_path_factory").mktemp("arena")
        return self.stack.enter_context(open_arena(folder, self.addresses, self.iptables))

    def _guest(self) -> Arena:
        """The guest of all modules, as if it were new."""
        arena = self.request.getfixturevalue("guest")
        clear(arena)
        arena.set_addresses(self.addresses)
        return arena


@contextlib.contextmanager
def open_nodes(
    request: pytest.FixtureRequest, addresses: Sequence[str], iptables: str = "nft"
) -> Iterator[Nodes]:
    """Nodes with these addresses, for a fixture of a module; ``iptables`` is for namespaces."""
    with contextlib.ExitStack() as stack:
        yield Nodes(request, addresses, iptables, stack)


def clear(arena: Arena) -> None:
    """Take away what tests left on a node: svcform's, by an apply, and other people's."""
    nobody = World({}, {}, Settings(), ("192.0.2.1",))
    NodeUnderTest(arena).apply(intent_of(nobody, absent=True))
    for tool, tables in _EMPTY.items():
        text = "".join(f"*{table}\nCOMMIT\n" for table in tables)
        arena.run(f"{tool}-restore", given=text.encode())
    arena.run("sh", "-c", "[ ! -e /proc/net/ip_vs ] || ipvsadm -C && ipset destroy; conntrack -F")
