"""The user's own CoreDNS on nodes over SSH: served, proven, put back, taken away."""

from __future__ import annotations

import re
import subprocess
import threading
import time

import pytest

from svcform.data import read_text
from tests.coredns.site import ALIAS, CLUSTER_IP, HEADLESS, MORE

pytestmark = pytest.mark.root


def answers(text):
    """The records of dig's answer section: (name, type, rdata)."""
    section = text.partition(";; ANSWER SECTION:\n")[2].partition("\n\n")[0]
    return [tuple(line.split(None, 4)[i] for i in (0, 3, 4)) for line in section.splitlines()]


def test_the_tutorials_three_names(site):
    """By the tutorial's own command line, from a client whose resolver is the node."""
    resolv = f"nameserver {site.lab.addresses('n1')[0]}\n"
    asking = (
        f"printf '{resolv}' >/run/resolv.conf && mount -B /run/resolv.conf /etc/resolv.conf && "
    )

    def dig(name):
        command = f"{asking}dig -t A {name}"
        argv = ["unshare", "-m", "sh", "-c", command]
        return site.lab.run("client", argv).stdout.decode()

    endpoints = {site.lab.addresses(f"e{i}")[0] for i in range(3)}
    found = answers(dig("myapp-headless.default.svc.cluster.local."))
    assert sorted(found) == sorted((HEADLESS, "A", address) for address in endpoints)
    assert len(endpoints) == 3

    ((name, kind, address),) = answers(dig("myapp-svc.default.svc.cluster.local."))
    assert (name, kind) == (CLUSTER_IP, "A")
    assert re.fullmatch(r"10\.96\.\d+\.\d+", address)

    found = answers(dig("my-service-1.default.svc.cluster.local."))
    assert found == [(ALIAS, "CNAME", "www.example.com.")]
    assert "status: REFUSED" in site.dig("www.example.com.")


def test_a_plan_shows_records_and_a_second_one_is_empty(site):
    before = site.zones()
    assert site.project.svcform("plan", "--detailed-exitcode").code == 0
    site.write(MORE.format(address="10.96.0.99"))

    planned = site.project.svcform("plan")

    assert "  + more.default.svc.cluster.local. A 10.96.0.99\n" in planned.out
    assert site.apply().code == 0
    assert site.project.svcform("plan", "--detailed-exitcode").code == 0
    kept = [zone for zone in _by_zone(before) if "244.10.in-addr" in zone]
    assert kept
    assert all(zone in _by_zone(site.zones()) for zone in kept)


def _by_zone(text):
    return set(text.split("; svcform wrote")[1:])


def test_every_answer_is_the_old_or_the_new_one_while_zones_change(site):
    seen, over = [], threading.Event()

    def ask():
        while not over.is_set():
            seen.append(site.dig("more.default.svc.cluster.local."))
            time.sleep(0.02)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for more in (MORE.format(address="10.96.0.99"), "", MORE.format(address="10.96.0.98")):
            before = site.serial()
            site.write(more)
            assert site.apply("--allow-renumber").code == 0
            assert site.serial() > before
            assert site.serial("n1") == site.serial("n2")
    finally:
        over.set()
        asking.join()
    states = {re.search(r"status: (\w+)", text)[1] if "status:" in text else text for text in seen}
    assert states <= {"NOERROR", "NXDOMAIN"}
    assert {found for text in seen for found in re.findall(r"\tA\t(.*)", text)} <= {
        "10.96.0.99",
        "10.96.0.98",
    }
    assert len(seen) > 10


def override(site, text):
    """The project's own template of the Corefile, from svcform's."""
    path = site.project.path / "templates/dns/Corefile.j2"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_template_of_the_project_takes_the_place_of_svcforms(site):
    own = read_text("templates", "dns/Corefile.j2")
    path = override(site, own.replace("loadbalance", "loadbalance\n    nsid svcform-test"))
    try:
        assert "dns file /etc/svcform/coredns/Corefile" in " ".join(site.plan().split())
        site.applied()
        assert "svcform-test" in site.dig("+nsid", CLUSTER_IP)
        assert site.pending() == ""

        override(site, own.replace("loadbalance", "loadbalance\n    nosuchplugin"))
        done = site.apply()
        assert done.code == 5, "CoreDNS alone knows which plugins it has"
        assert "Unknown directive 'nosuchplugin'" in done.out + done.err
        assert "svcform-test" in site.dig("+nsid", CLUSTER_IP)

        override(site, own.replace("{{ zone.file }}", "{{ zone.path }}"))
        done = site.apply()
        assert done.code == 1, "nothing of a broken template reaches a node"
        assert "templates/dns/Corefile.j2:5:1: error SVC158" in done.out + done.err
    finally:
        path.unlink()


def test_who_has_port_53_is_named_before_anything_is_done(site):
    assert site.project.svcform("destroy", "--auto-approve", "--allow-deletions").code == 0
    program = "import socket,time;s=socket.socket(2,2);s.bind(('0.0.0.0',53));time.sleep(60)"
    holder = site.lab.command("n1", ["python3", "-c", program])
    process = subprocess.Popen(holder)
    try:
        time.sleep(1)
        planned = site.project.svcform("plan")
        assert "python3" in planned.out + planned.err
        assert "port 53" in planned.out + planned.err
    finally:
        site.lab.run("n1", ["pkill", "-f", "bind..'0.0.0.0',53"])
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("tools", "says"),
    [
        (
            "coredns",
            "dns is true on n1, and no coredns is in root's PATH there.",
        ),
        ("bash dig python3 host nc", "n1 has none of bash, dig, python3, host and a nc that"),
    ],
)
def test_what_is_missing_on_a_node_stops_its_plan_by_name(site, tools, says):
    folders = "$(echo $PATH:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin | tr : ' ')"
    find = f"for t in {tools}; do for d in {folders}; do readlink -e $d/$t; done; done | sort -u"
    paths = site.on("n1", find).split()
    assert paths
    for path in paths:
        site.on("n1", f"mount -B /etc/hostname {path}")
    try:
        done = site.project.svcform("plan")
    finally:
        for path in paths:
            site.on("n1", f"umount {path}")
    assert done.code == 4, done.out + done.err
    assert says in " ".join((done.out + done.err).split())


def test_a_program_that_is_not_at_its_path_is_named(site):
    site.write(coredns_binary="/opt/coredns")

    done = site.apply()

    assert done.code == 5
    assert re.search("CoreDNS does not start.*/opt/coredns", done.out + done.err)
    assert site.dig("+short", CLUSTER_IP)


def test_destroy_leaves_nothing(site):
    assert site.project.svcform("destroy", "--auto-approve", "--allow-deletions").code == 0

    left = site.lab.run("n1", ["sh", "-c", "ls /etc/svcform /etc/init.d | grep -E 'coredns|zone'"])
    assert left.stdout == b""
    assert site.lab.run("n1", ["pgrep", "coredns"]).stdout == b""
