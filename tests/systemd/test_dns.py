"""CoreDNS as a unit of systemd's, and a node's systemd-resolved that is led to it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from svcform.lab import lab as labs
from tests.conformance.dns_servers import find
from tests.systemd.edge import Edge, make_edge, spec

pytestmark = pytest.mark.root
NAME = "web.default.svc.cluster.local."
UNIT = "svcform-coredns.service"
DROP_IN = "/etc/systemd/resolved.conf.d/svcform.conf"
#: What Debian's package does when it is installed, and a network that has a server for other names.
INSTALL_RESOLVED = """
    systemd-sysusers /usr/lib/sysusers.d/systemd-resolve.conf
    systemctl reload dbus
    ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
    systemctl -q unmask systemd-resolved
    systemctl -q enable --now systemd-resolved
"""
#: Somebody has named a server for all names, of which systemd-resolved would ask but one.
OTHER_SERVER = """
    mkdir -p /etc/systemd/resolved.conf.d
    printf '[Resolve]\\nDNS=192.0.2.53\\n' >/etc/systemd/resolved.conf.d/site.conf
    systemctl restart systemd-resolved
"""


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory, firewalls: str) -> str:
    """The user's CoreDNS and Debian's systemd-resolved."""
    program = find("coredns")
    assert program, "coredns is not here; `make test` builds it"
    folder = tmp_path_factory.mktemp("packages")
    (folder / "usr/bin").mkdir(parents=True)
    shutil.copy2(program, folder / "usr/bin/coredns")
    for path in Path(firewalls).rglob("*resolve*"):
        place = folder / path.relative_to(firewalls)
        if path.is_file() and not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, place)
    return str(folder)


@pytest.fixture(scope="module")
def edge(packages: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """One node, whose project serves DNS; in the end nothing is left of it."""
    directory = tmp_path_factory.mktemp("systemd") / "lab"
    lab = labs.up(spec(directory, packages, ("node-1",)))
    made = make_edge(lab, "node-1", tmp_path_factory.mktemp("dns") / "project")
    made.sh("rm -f /etc/resolv.conf; printf 'nameserver 192.0.2.53\\n' >/etc/resolv.conf")
    yield made
    labs.down(directory)


def settings(edge: Edge, **more: object) -> None:
    """Serve DNS, with these settings besides."""
    path = edge.project.path / "playbooks/site.yml"
    play = yaml.safe_load(path.read_text())
    play[0]["vars"] = {"service_cidrs": ["10.96.0.0/16"], "dns": True, **more}
    path.write_text(yaml.safe_dump(play))


def applied(edge: Edge) -> None:
    done = edge.apply()
    assert done.code == 0, done.out + done.err
    assert edge.pending() == ""


def served(edge: Edge, server: str | None = None) -> str:
    """What the node itself gets for a name; asked until it answers, as at a boot nobody waits."""
    asked = server or edge.lab.addresses("node-1")[0]
    limit = time.monotonic() + 60
    while True:
        argv = ["dig", f"@{asked}", "+short", "+tries=1", "+time=2", NAME]
        found = edge.lab.run("node-1", argv).stdout.decode().strip()
        if found.startswith("10.96.") or time.monotonic() > limit:
            return found
        time.sleep(0.2)


def pid(edge: Edge) -> str:
    return edge.run("systemctl", "show", "-P", "MainPID", UNIT).strip()


def test_coredns_is_a_unit_that_reloads_and_comes_back_and_goes(edge: Edge):
    settings(edge)
    applied(edge)
    address = served(edge)
    assert address.startswith("10.96.")
    assert edge.run("systemctl", "is-enabled", UNIT) == "enabled\n"
    before = pid(edge)

    settings(edge, dns_forward=["192.0.2.53"])
    applied(edge)
    assert pid(edge) == before, "a new Corefile is a reload"
    assert "forward . 192.0.2.53" in edge.run("cat", "/etc/svcform/coredns/Corefile")

    edge.run("kill", "-KILL", before)
    assert served(edge) == address, "systemd starts it again"
    assert pid(edge) not in {"0", before}

    edge.lab.reboot("node-1")
    assert served(edge) == address
    assert edge.pending() == ""

    done = edge.project.svcform("destroy", "--auto-approve", "--allow-deletions")
    assert done.code == 0, done.out + done.err
    assert "svcform" not in edge.run("systemctl", "list-unit-files", "--no-legend")
    assert (
        edge.sh("ls -d /etc/svcform /etc/systemd/system/*svcform* 2>&1 | grep -v 'No such' || :")
        == ""
    )
    assert edge.sh("pgrep -x coredns || :") == ""


def test_systemd_resolved_is_led_to_coredns_for_its_zones_alone_and_back(edge: Edge):
    edge.sh(INSTALL_RESOLVED)
    edge.sh(OTHER_SERVER)
    before = edge.run("resolvectl", "status")
    assert "127.0.0.53" in edge.sh("ss -H -lnu sport = :53"), "the stub that is in nobody's way"

    settings(edge, dns_resolver="node")
    refused = edge.project.svcform("plan")
    said = " ".join((refused.out + refused.err).split())
    assert "resolved.conf.d/site.conf names servers" in said
    settings(edge, dns_resolver="node", dns_forward=["192.0.2.53"])
    planned = edge.project.svcform("plan")
    assert f"+ dns file {DROP_IN}" in " ".join(planned.out.split())
    assert "DNS=169.254.20.10" in planned.out
    applied(edge)

    address = served(edge)
    assert served(edge, "127.0.0.53") == address
    assert address in edge.run("resolvectl", "query", "--cache=no", NAME)
    status = edge.run("resolvectl", "status")
    assert "~cluster.local" in status
    assert "~96.10.in-addr.arpa" in status
    assert edge.run("readlink", "/etc/resolv.conf").endswith(
        "/run/systemd/resolve/stub-resolv.conf\n"
    )

    edge.lab.reboot("node-1")
    assert served(edge, "127.0.0.53") == address
    assert edge.pending() == ""

    done = edge.project.svcform("destroy", "--auto-approve", "--allow-deletions")
    assert done.code == 0, done.out + done.err
    assert edge.sh(f"ls {DROP_IN} 2>&1 || :").endswith("No such file or directory\n")
    assert edge.run("resolvectl", "status") == before
    assert "169.254.20.10" not in edge.run("ip", "-o", "addr")
