"""A node whose power goes, on a disk that keeps only what was synced."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.uml.node import ENDPOINTS, UmlNode, new_node

pytestmark = pytest.mark.root

#: What a node is, in the words of its own tools; torn is what a lost write leaves.
_LOOK = r"""
iptables-save -t nat | sed -n 's/^-A .* --to-destination \(.*\):8080.*/endpoint \1/p' | sort -u
cut -f 5- /var/lib/svcform/services.tsv | sed 's/^/row /'
for name in project layout runner reading confirmed/meta confirmed/services.tsv; do
	[ -s /var/lib/svcform/$name ] || echo "torn $name"
done
for name in /var/lib/svcform/receipts/* /etc/init.d/svcform*; do
	[ -s "$name" ] || echo "torn $name"
done
[ ! -e /var/lib/svcform/lock ] || echo "lock"
ls /var/lib/svcform/runs 2>/dev/null | sed 's/^/run /'
ps -eo pid=,args= | grep '[s]vcform/run' | sed 's/^/process /'
cat /proc/sys/net/ipv4/ip_forward | sed 's/^/forwards /'
ip route show proto 83 | sed 's/^/route /'
"""


@dataclass(frozen=True, slots=True)
class State:
    """A node after a boot: whose Service goes where, and what should not be there."""

    settings: tuple[str, ...]
    endpoints: tuple[str, ...]
    wrong: tuple[str, ...]


def look(node: UmlNode) -> State:
    lines = [line.rstrip() for line in node.ssh(_LOOK).splitlines()]
    wrong = ("torn ", "lock", "run ", "process ")
    return State(
        settings=tuple(x for x in lines if x.startswith(("forwards ", "route "))),
        endpoints=tuple(x.split()[1] for x in lines if x.startswith("endpoint ")),
        wrong=tuple(line for line in lines if line.startswith(wrong)),
    )


def test_what_was_confirmed_outlives_a_power_cut_at_once(tmp_path: Path):
    with new_node(tmp_path) as node:
        node.boot()
        applied = node.svcform("apply", "--auto-approve")
        assert applied.code == 0, applied.out
        node.ssh("sync /var/lib/svcform")  # names are on disk, contents only where they were synced

        node.cut_power()
        node.boot()

        settings = ("forwards 1", "route 10.96.0.0/16 dev lo scope link src 192.168.99.11")
        assert look(node) == State(settings, ENDPOINTS[:1], ())
        assert node.svcform("plan", "--detailed-exitcode").code == 0
