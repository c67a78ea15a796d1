"""What goes wrong on a node: the apply fails with the reason, and the old answers stay."""

from __future__ import annotations

import pytest

from tests.coredns.site import CLUSTER_IP, HEADLESS, MORE, NODES, without_serials

pytestmark = pytest.mark.root
NEW = "more.default.svc.cluster.local."
#: All that a run may leave by mistake.
LEFT = "cd /etc/svcform/coredns && ls -d .[!.]* *.new /run/svcform-coredns.* 2>/dev/null"


def state(site, node):
    """Zones, files and the very process: who answers all the time doesn't change."""
    files = "cat /etc/svcform/coredns/Corefile /etc/init.d/svcform-coredns"
    return (
        without_serials(site.zones(node)),
        site.on(node, files),
        site.on(node, "pgrep -x coredns"),
        site.on(node, LEFT),
    )


def serves_the_old(site, node):
    """Whether a node has the Services of before and not the new one."""
    return (
        site.dig("+short", CLUSTER_IP, node=node).startswith("10.96.")
        and len(site.dig("+short", HEADLESS, node=node).split()) == 3
        and "status: NXDOMAIN" in site.dig(NEW, node=node)
    )


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ({"coredns_binary": "/bin/false"}, "CoreDNS does not start."),
        ({"dns_listen": ["192.0.2.77"]}, "The node does not have the address 192.0.2.77."),
    ],
)
def test_a_coredns_that_does_not_start_leaves_the_old_one_alone(site, setting, reason):
    before = {node: state(site, node) for node in NODES}
    site.write(MORE.format(address="10.96.0.99"), **setting)

    done = site.apply()

    assert done.code == 5, done.out + done.err
    assert reason in done.out + done.err
    assert {node: state(site, node) for node in NODES} == before
    assert all(serves_the_old(site, node) for node in NODES)
    site.write()
    assert site.pending() == ""


#: In the way of every sorted zone: an address that is none.
SHIM = """\
#!/bin/sh
/run/sort "$@" | sed 's/ A 10.96.0.99$/ A 10.96.0.999/'
"""


def test_a_zone_that_coredns_does_not_take_is_put_back(site):
    before = {node: state(site, node) for node in NODES}
    serial = site.serial("n2")
    site.write(MORE.format(address="10.96.0.99"))
    shim = f"cp /usr/bin/sort /run && cat >/run/shim <<'E' && chmod 755 /run/shim\n{SHIM}E\n"
    site.on("n2", f"{shim}mount -B /run/shim /usr/bin/sort")
    try:
        done = site.apply()
    finally:
        site.on("n2", "umount /usr/bin/sort")

    assert done.code == 8, done.out + done.err
    said = done.out + done.err
    assert "CoreDNS does not serve the serial" in said
    assert "10.96.0.999" in said, "CoreDNS's own words"
    assert state(site, "n2") == before["n2"]
    assert serves_the_old(site, "n2")
    assert site.serial("n2") > serial, "who has seen the broken one looks again"
    assert "10.96.0.99" in site.dig("+short", NEW, node="n1")
    assert NEW in site.pending()
    site.applied()
    assert "10.96.0.99" in site.dig("+short", NEW, node="n2")
    assert site.serial("n1") < site.serial("n2"), "the same zone keeps its serial"
    site.write()
    site.applied("--allow-deletions")
    assert site.serial("n1") == site.serial("n2")


def test_a_zone_that_was_broken_by_hand_is_put_right(site):
    path = "/etc/svcform/coredns/cluster.local.zone"
    site.on("n2", f"sed 's/ IN A / IN AAAAA /' {path} >{path}.x && mv {path}.x {path}")

    assert "myapp-headless.default.svc.cluster.local. AAAAA" in site.plan()

    before = site.serial("n2")
    site.applied("--allow-deletions")
    assert len(site.dig("+short", HEADLESS, node="n2").split()) == 3
    assert site.serial("n2") > before


def test_files_that_were_edited_by_hand_in_any_order_and_form_are_put_right(site):
    """Lines out of order, comments, and a last line without an end are no reason to be stale."""
    folder = "/etc/svcform/coredns"
    site.on("n2", f"cd {folder} && sed 's/ A 10.*/ A 10.99.99.99/' cluster.local.zone >x && mv x "
            f"cluster.local.zone && echo '; a note' >>cluster.local.zone && "
            "printf '# and another' >>Corefile")  # fmt: skip

    assert "10.99.99.99" in site.plan()

    site.applied("--allow-deletions")
    assert len(site.dig("+short", HEADLESS, node="n2").split()) == 3


def test_where_the_disk_is_full_the_old_answers_stay(site):
    fill = (
        "cd /etc/svcform && cp -a coredns copy && "
        "mount -t tmpfs -o size=$(($(ls copy | wc -l) * 4))k none coredns && "
        "cp -a copy/. coredns/ && rm -r copy && echo full"
    )
    assert site.on("n2", fill) == "full\n"
    before = state(site, "n2")
    try:
        site.write(MORE.format(address="10.96.0.99"))
        done = site.apply()
        assert done.code == 8, done.out + done.err
        assert "zone can't be written: 0 KiB are free in /etc/svcform/coredns." in done.out
        assert state(site, "n2") == before
        assert serves_the_old(site, "n2")
        assert "10.96.0.99" in site.dig("+short", NEW, node="n1")
    finally:
        site.on("n2", "umount /etc/svcform/coredns")
    assert NEW in site.pending()
    site.applied()
    assert "10.96.0.99" in site.dig("+short", NEW, node="n2")


def test_a_coredns_that_was_killed_or_hangs_is_started_again(site):
    for signal in ("KILL", "STOP"):  # the same plan twice
        site.on("n2", f"pkill -{signal} -x coredns")

        done = site.applied()

        assert "+ dns service svcform-coredns" in done.out
        assert len(site.dig("+short", HEADLESS, node="n2").split()) == 3


def test_a_zone_whose_file_was_removed_has_a_later_serial_than_what_is_served(site):
    before = site.serial("n1")
    for node in NODES:
        site.on(node, "rm /etc/svcform/coredns/*.zone")

    site.applied()

    assert site.serial("n1") == site.serial("n2") > before
    assert site.pending() == ""
