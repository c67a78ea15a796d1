"""Which tests run one after another in one process, and which begin first.

Most tests wait for nodes rather than for a processor, so there are two processes for each.  The
dearest tests begin first, so that no process is left alone with one at the end.
"""

from __future__ import annotations

import os

import pytest
from xdist.scheduler import LoadScopeScheduling

#: Each process may have a guest and a lab of its own.
_MEMORY = 3 << 29
#: Seconds that modules took, or a test of those in ``_APART``; what is not here takes less.
_SECONDS = {
    "tests/faults/test_faults.py": 300,
    "tests/faults/test_at_once.py": 260,
    "tests/uml/test_power_cuts.py": 230,
    "tests/flow/test_unconcerned_connections.py": 220,
    "tests/coredns/test_under_load.py": 190,
    "tests/coredns/test_coredns.py": 140,
    "tests/coredns/test_resolver.py": 130,
    "tests/fleet/test_guards.py": 120,
    "tests/coredns/test_brought.py": 105,
    "tests/coredns/test_order.py": 105,
    "tests/flow/test_catches.py": 100,
    "tests/flow/test_flood.py": 90,
    "tests/coredns/test_failures.py": 87,
    "tests/fleet/test_lost_connections.py": 83,
    "tests/uml/test_ipvs.py": 80,
    "tests/fleet/test_modes.py": 76,
    "tests/systemd/test_firewalls.py": 70,
    "tests/docs/test_first_hour.py": 60,
    "tests/fleet/test_reboots.py": 56,
    "tests/flow/test_mode_changes.py": 50,
    "tests/docs/test_day_two.py": 45,
    "tests/fleet/test_local_confirmation.py": 45,
    "tests/fleet/test_nodes_fail_apart.py": 40,
    "tests/systemd/test_dns.py": 40,
    "tests/unit/cli/test_nodes.py": 40,
    "tests/unit/engine/test_rollback.py": 40,
    "tests/flow/test_followed_packets.py": 30,
    "tests/unit/backends/proxy/nftables/test_on_a_kernel.py": 30,
    "tests/unit/cli/test_targets.py": 30,
    "tests/unit/engine/test_connections.py": 30,
    "tests/unit/engine/test_restore.py": 30,
    "tests/userspace/test_health.py": 30,
    "tests/flow/test_properties.py": 20,
    "tests/unit/engine/test_faults.py": 20,
    "tests/flow": 10,
    "tests/conformance/test_packetflow.py": 9,
    "tests/coredns": 8,
    "tests/fleet": 8,
    "tests/systemd": 8,
    "tests/uml": 8,
    "tests/userspace": 8,
    "tests/docs": 7,
    "tests/conformance": 6,
}
#: Each of their tests is as dear as a module: what they share is cheap to make.
_APART = (
    "tests/conformance/test_packetflow.py",
    "tests/docs/test_day_two.py",
    "tests/faults/test_faults.py",
    "tests/flow/",
    "tests/unit/engine/test_faults.py",
)
#: What has the same dear fixture as another module.
_WITH = {"tests/faults/test_way_back.py": "tests/faults/test_at_once.py"}


def processes() -> int:
    """How many processes run tests: two a processor, as far as there is memory."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(2 * len(os.sched_getaffinity(0)), memory // _MEMORY))


def unit_of(nodeid: str) -> str:
    """What a test stays together with; a module's tests share what it sets up."""
    module = nodeid.partition("::")[0]
    return nodeid if module.startswith(_APART) else _WITH.get(module, module)


def sort(items: list[pytest.Item]) -> None:
    """Put the dearest first, and else leave the order as it is."""
    items.sort(key=lambda item: -_seconds(unit_of(item.nodeid).partition("::")[0]))


def _seconds(place: str) -> int:
    """Of a module, or of the folder that it is in."""
    return _SECONDS.get(place, 0) or (_seconds(place.rpartition("/")[0]) if "/" in place else 0)


class Scheduling(LoadScopeScheduling):
    """Hands out units in the order of their tests."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)
