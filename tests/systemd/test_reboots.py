"""A boot under systemd: Services are there before anybody is served."""

from __future__ import annotations

import pytest

from svcform.lab import lab as labs
from tests.systemd.edge import make_edge, spec
from tests.systemd.test_firewalls import INSTALL

pytestmark = pytest.mark.root


@pytest.fixture
def edge(tmp_path, firewalls):
    directory = tmp_path / "lab"
    lab = labs.up(spec(directory, firewalls, ("node-1",)))
    yield make_edge(lab, "node-1", tmp_path / "project")
    labs.down(directory)


def test_services_are_back_before_sshd_serves(edge):
    """After nftables, netfilter-persistent and Docker; no unit waits for itself in a circle."""
    for name in ("nftables", "netfilter-persistent", "docker"):
        edge.sh(INSTALL[name])
    applied = edge.apply()
    assert applied.code == 0, applied.out + applied.err

    edge.lab.reboot("node-1")

    edge.await_service("after the reboot")
    assert edge.run("systemctl", "is-system-running") == "running\n"
    assert "ordering cycle" not in edge.journal()
    lines = edge.journal().splitlines()
    restored = next(i for i, x in enumerate(lines) if "Finished svcform.service" in x)
    serves = next(i for i, x in enumerate(lines) if "Server listening on 0.0.0.0 port 22" in x)
    assert restored < serves
    units = edge.sh("cd /etc/systemd/system && echo svcform*.service").split()
    assert edge.run("systemd-analyze", "verify", "--man=no", *units) == ""
    # Docker sets the policy of FORWARD to DROP only where it switched forwarding on itself.
    assert edge.run("iptables", "-S", "FORWARD").startswith("-P FORWARD ACCEPT")
    assert edge.pending() == ""
