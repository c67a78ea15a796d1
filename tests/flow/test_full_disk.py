"""What a node keeps of itself is whole or not there, and comes back without room on the disk."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from svcform.backends.contract import Backend
from svcform.backends.dns.coredns.scripts import SETTLE
from svcform.backends.proxy.userspace import USERSPACE
from svcform.backends.proxy.userspace.objects import NAME
from svcform.backends.proxy.userspace.scripts import SCRIPTS
from tests.flow import worlds
from tests.flow.foreign import rules
from tests.flow.nodes import Nodes, open_nodes
from tests.flow.under_test import NodeUnderTest, intent_of, proxies

pytestmark = pytest.mark.root
SEED = 12
_KEPT = "/run/kept"
_PAGE = 4096
_ON_A_SMALL_DISK = f"""
for size; do
  mkdir -p {_KEPT} && mount -t tmpfs -o size=$size small {_KEPT} && mkdir {_KEPT}/own || exit 1
  sh /run/save.sh {_KEPT}/own "" >/dev/null 2>&1 && (
    cd {_KEPT}/own && find . -type f | sort | while read -r name; do echo "$name"; cat "$name"; done
  ) | sha256sum || echo failed
  umount {_KEPT}
done
"""


#: Runs a script's steps where its own folder has 64 KiB and all tools are busybox's.
_WITHOUT_ROOM = """
mkdir -p /var/tmp/busybox && for tool in awk cat cp find sort tail wc; do
  ln -sf "$(command -v busybox)" /var/tmp/busybox/$tool
done
mount -t tmpfs -o size=64k small /run && mount -t tmpfs -o size=64k small /var/lib &&
  mkdir /var/lib/svcform || exit 99
PATH=/var/tmp/busybox:$PATH sh /var/tmp/settle.sh
code=$?
umount /run /var/lib
exit $code
"""


@pytest.fixture(scope="module")
def nodes(request: pytest.FixtureRequest) -> Iterator[Nodes]:
    with open_nodes(request, worlds.NODE_ADDRESSES) as opened:
        yield opened


@pytest.fixture
def node(nodes: Nodes, backend: Backend) -> Iterator[NodeUnderTest]:
    chosen = nodes.of(backend)
    yield chosen
    chosen.arena.exec("umount", _KEPT)


def in_order(node: NodeUnderTest) -> list[str]:
    """All rules and files; chains are listed in the order of their making."""
    return sorted(rules(node.arena).splitlines())


@pytest.mark.parametrize("backend", proxies(), ids=lambda backend: backend.name)
def test_a_checkpoint_is_whole_or_fails(node: NodeUnderTest, backend: Backend):
    world = worlds.random_world(Random(SEED), backend.mode, services=12)
    node.apply(intent_of(world))
    codes = set()
    for each in node.subjects:
        script = node.arena.disk / "var/tmp/save.sh"
        script.write_text(each.checkpoint().save)
        node.arena.run("cp", "/var/tmp/save.sh", "/run/save.sh")

        sizes = [str(_PAGE * pages) for pages in (10_000, *range(1, 16))]
        whole, *others = node.arena.run("sh", "-c", _ON_A_SMALL_DISK, "sh", *sizes).splitlines()

        assert whole != "failed", each.name
        assert set(others) <= {whole, "failed"}, (each.name, others)
        codes |= set(others)
    node.apply(intent_of(world, absent=True))
    assert "failed" in codes


@pytest.mark.parametrize("backend", proxies(), ids=lambda backend: backend.name)
def test_going_back_needs_no_room(node: NodeUnderTest, backend: Backend):
    random = Random(SEED)
    world = worlds.random_world(random, backend.mode, services=8)
    other = worlds.changed(random, world)
    node.apply(intent_of(world))
    before = in_order(node)
    checkpoints = [each.checkpoint() for each in node.subjects]
    node.arena.run("sh", "-c", f"mkdir -p {_KEPT} && mount -t tmpfs -o size=16m small {_KEPT}")
    for each in checkpoints:
        node.arena.run("mkdir", f"{_KEPT}/{each.backend}")
        node.arena.run("sh", "-s", f"{_KEPT}/{each.backend}", "", given=each.save.encode())
    node.apply(intent_of(other))
    assert in_order(node) != before
    node.arena.exec("sh", "-c", f"cat /dev/zero >{_KEPT}/fill")

    for moment, order in (("coming", checkpoints), ("going", checkpoints[::-1])):
        for each in order:
            given = each.restore.encode()
            node.arena.run("sh", "-s", f"{_KEPT}/{each.backend}", moment, given=given)

    node.facts = None
    assert in_order(node) == before
    node.apply(intent_of(world, absent=True))


@pytest.mark.parametrize(
    ("script", "head", "count"),
    [
        # What it was given fits once, but not twice.
        (SETTLE, "file\t0644\t/etc/svcform/coredns/extra.zone", 450),
        (SCRIPTS[NAME].settle, "file\thaproxy\tservices/extra.cfg", 1350),
    ],
    ids=["dns", "proxies"],
)
def test_no_half_of_a_file_is_ever_served(nodes: Nodes, script: str, head: str, count: int):
    arena = nodes.of(USERSPACE).arena
    (arena.disk / "var/tmp/settle.sh").write_text(script)
    given = "\n".join([head, *["|\t" + "x" * 97] * count, ""])

    done = arena.exec("sh", "-c", _WITHOUT_ROOM, given=given.encode())

    assert (done.returncode, "There is no room in" in done.stderr.decode()) == (1, True)
    assert not any(arena.disk.glob("etc/svcform/*/**/extra*"))
