"""The machine whose power is cut loses what was not synced, and keeps what was."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.uml.node import new_node

pytestmark = pytest.mark.root


def test_only_what_was_synced_outlives_a_power_cut(tmp_path: Path):
    with new_node(tmp_path) as node:
        node.boot()
        node.ssh("cd /var/lib; echo x >lost; echo y >named; echo z >kept; sync kept")
        booted = node.ssh("cat /proc/sys/kernel/random/boot_id")

        node.cut_power()
        node.boot()

        assert node.ssh("cat /proc/sys/kernel/random/boot_id") != booted
        assert node.ssh("cat /var/lib/kept; wc -c </var/lib/named; iptables -V").split()[:3] == [
            "z",
            "0",
            "iptables",
        ]
