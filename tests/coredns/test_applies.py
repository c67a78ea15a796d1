"""Laws of applying, over chains of random worlds on a node with a CoreDNS that serves."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.conformance.dns_servers import find
from tests.coredns import worlds
from tests.coredns.node import Node
from tests.flow.arena import Arena, open_arena
from tests.flow.under_test import observe

pytestmark = pytest.mark.root
CHANGES = 3
#: All that svcform may write of DNS, and what starts it.
_PLACES = "/etc/svcform /etc/init.d /etc/rc?.d"


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    """A node with the user's CoreDNS on its disk."""
    program = find("coredns")
    assert program, "coredns is not here; `make test` builds it"
    folder: Path = tmp_path_factory.mktemp("arena")
    with open_arena(folder, worlds.SERVERS) as opened:
        shutil.copy2(program, folder / "disk/var/coredns")
        yield opened


def files(arena: Arena) -> dict[str, str]:
    """What is in the places that are svcform's, by path; serials left out."""
    script = f'for f in $(find {_PLACES} ! -type d); do echo "== $f"; cat $f; done'
    found = arena.run("sh", "-c", script).split("== /")
    return {
        name: re.sub(r"(?<= )[0-9]+(?= 7200 )", "SERIAL", text)
        for name, _, text in (each.partition("\n") for each in found if each)
    }


@pytest.mark.parametrize("seed", range(3))
def test_a_chain_of_applies_ends_where_a_fresh_apply_does_and_leaves_no_trace(
    arena: Arena, seed: int
):
    facts = observe(arena).facts
    node = Node(machine=arena, facts=facts, program="/var/coredns", listen=worlds.SERVERS)
    random = Random(seed)
    before = files(arena)
    world = worlds.random_world(random)
    for _ in range(CHANGES):
        node.apply(world)

        assert node.plan(world)[0] == ()

        world = worlds.changed(random, world)
    node.apply(world)
    after_changes = files(arena)
    assert after_changes.keys() > before.keys()
    node.apply(world, absent=True)

    assert files(arena) == before
    assert arena.exec("pgrep", "-x", "coredns").stdout == b""

    node.apply(world)

    assert files(arena) == after_changes

    node.apply(world, absent=True)

    assert files(arena) == before
    assert node.plan(world, absent=True)[0] == ()
