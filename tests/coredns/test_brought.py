"""``coredns_binary`` by architecture: CoreDNS is brought along, once, and taken away again."""

from __future__ import annotations

import hashlib
import platform

import pytest

from tests.coredns.site import CLUSTER_IP

pytestmark = pytest.mark.root

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def brought(site, name="coredns", more=""):
    """The setting, with the file in the project's folder: it starts the node's own CoreDNS.

    A whole one has 100 MB, and the way to the node is the same.
    """
    content = f'#!/bin/sh\nexec /usr/bin/coredns "$@"\n{more}'.encode()
    (site.project.path / name).write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    return {ARCHITECTURE: {"file": name, "sha256": digest}}


def test_coredns_is_brought_once_replaced_and_taken_away(site):
    first = brought(site)
    site.write(coredns_binary=first)
    site.applied()
    path = f"/etc/svcform/bin/coredns-{first[ARCHITECTURE]['sha256'][:16]}"
    assert path in site.on("n1", "cat /etc/init.d/svcform-coredns")
    assert site.dig("+short", CLUSTER_IP)
    assert site.pending() == ""

    second = brought(site, "newer", "# newer\n")
    site.write(coredns_binary=second)
    assert f"- dns binary {path}" in site.plan()
    site.applied()
    assert second[ARCHITECTURE]["sha256"][:16] in site.on("n1", "ls /etc/svcform/bin")
    assert len(site.on("n1", "ls /etc/svcform/bin").split()) == 1

    done = site.project.svcform("rollback", "n1", "--auto-approve")
    assert done.code == 0, done.out + done.err
    assert site.on("n1", "ls /etc/svcform/bin") == f"{path.rpartition('/')[2]}\n"
    assert site.dig("+short", CLUSTER_IP)

    site.on("n1", f"echo >>{path}")
    assert "dns binary" in site.plan()

    site.on("n1", "mkdir -p /var/lib/svcform/userspace.abcdef /var/lib/svcform/coredns.ABCDEF")
    site.destroy()
    assert site.on("n1", "ls /var/lib/svcform 2>/dev/null") == ""
    assert site.on("n1", "ls -d /etc/svcform 2>/dev/null; pgrep coredns") == ""


def test_a_file_with_another_checksum_and_another_architecture_are_refused(site):
    wrong = {ARCHITECTURE: {**brought(site)[ARCHITECTURE], "sha256": "0" * 64}}
    site.write(coredns_binary=wrong)
    done = site.project.svcform("plan")
    assert done.code == 1
    assert "SVC149" in done.out + done.err

    (content,) = brought(site).values()
    site.write(coredns_binary={"s390x": content})
    assert f"its architecture is {ARCHITECTURE}" in site.plan()


def test_a_node_needs_room_for_the_program_and_not_for_many_of_it(site):
    """Twice in svcform's folder, while the apply runs."""
    room = "mount -t tmpfs -o size=20m none /mnt && cp -a /var/lib/svcform/. /mnt && "
    assert site.on("n1", f"{room}mount --move /mnt /var/lib/svcform && echo moved") == "moved\n"
    try:
        site.write(coredns_binary=brought(site, "large", "#" * (7 << 20)))
        site.applied()
        assert site.dig("+short", CLUSTER_IP)
        site.write()
        site.applied()
    finally:
        site.on("n1", "umount /var/lib/svcform")
