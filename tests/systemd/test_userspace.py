"""The proxies of userspace mode as units of systemd: reloaded, there after a boot, and gone."""

from __future__ import annotations

import time

import pytest
import yaml

from svcform.lab import lab as labs
from tests.systemd.edge import make_edge, spec

pytestmark = pytest.mark.root

UNITS = ("svcform-haproxy.service", "svcform-nginx.service")
UDP = "{name: quic, port: 80, protocol: UDP, targetPort: 8080}"


@pytest.fixture
def edge(tmp_path, firewalls):
    directory = tmp_path / "lab"
    lab = labs.up(spec(directory, firewalls, ("node-1",)))
    made = make_edge(lab, "node-1", tmp_path / "project")
    site = made.project.path / "playbooks/site.yml"
    (play,) = yaml.safe_load(site.read_text())
    play["vars"]["proxy_mode"] = "userspace"
    site.write_text(yaml.safe_dump([play]))
    web = made.project.path / "services/web.yml"
    text = web.read_text().replace("nodePort: 30080}]", f"nodePort: 30080}}, {UDP}]")
    more = "- name: http\n  port: 8080\n  protocol: TCP\n"
    assert more in text, text
    web.write_text(text.replace(more, more + more.replace("http", "quic").replace("TCP", "UDP")))
    yield made
    labs.down(directory)


def started(edge, unit):
    """The process that systemd has started, and when: a reload changes neither."""
    wanted = ("-p", "MainPID", "-p", "ActiveState", "-p", "ExecMainStartTimestampMonotonic")
    return edge.run("systemctl", "show", *wanted, unit)


def test_units_start_reload_survive_a_boot_and_go(edge):
    applied = edge.apply()
    assert applied.code == 0, applied
    assert edge.serves()
    before = [started(edge, unit) for unit in UNITS]
    assert all("ActiveState=active" in said for said in before)
    client = edge.hold()

    web = edge.project.path / "services/web.yml"
    web.write_text(web.read_text().replace("port: 80,", "port: 81,"))
    applied = edge.apply()

    assert applied.code == 0, applied
    assert [started(edge, unit) for unit in UNITS] == before
    assert client.communicate("\n", timeout=180)[0].startswith("endpoint=")
    assert edge.serves()

    edge.lab.reboot("node-1")

    limit = time.monotonic() + 60
    while not edge.serves():
        assert time.monotonic() < limit, edge.journal("-usvcform*")
    assert edge.pending() == ""
    assert edge.run("systemctl", "is-system-running") == "running\n"
    assert "ordering cycle" not in edge.journal()
    units = [f"/etc/systemd/system/{unit}" for unit in UNITS]
    assert edge.run("systemd-analyze", "verify", "--man=no", *units) == ""

    destroyed = edge.project.svcform("destroy", "--auto-approve")

    assert destroyed.code == 0, destroyed
    assert edge.sh("ls /etc/systemd/system | grep svcform || :") == ""
    assert edge.sh("ps -e -o comm= | grep -E 'haproxy|nginx' || :") == ""
    assert edge.run("systemctl", "is-system-running") == "running\n"
