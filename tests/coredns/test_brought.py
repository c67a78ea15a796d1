"""``coredns_binary`` by architecture: CoreDNS is brought along, once, and taken away again."""

from __future__ import annotations

import hashlib
import platform

import pytest

from tests.coredns.test_coredns import CLUSTER_IP, Site, lab  # noqa: F401 - the fixture

pytestmark = pytest.mark.root

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


@pytest.fixture
def site(lab, tmp_path):  # noqa: F811 - pytest's way
    return Site(lab, tmp_path)


def brought(site, name="coredns", more=""):
    """The setting, with the file in the project's folder: it starts the node's own CoreDNS.

    A whole one has 100 MB, and the way to the node is the same.
    """
    content = f'#!/bin/sh\nexec /usr/bin/coredns "$@"\n{more}'.encode()
    (site.project.path / name).write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    return {ARCHITECTURE: {"file": name, "sha256": digest}}


def on_node(site, script):
    return site.lab.run("n1", ["sh", "-c", script]).stdout.decode()


def test_coredns_is_brought_once_replaced_and_taken_away(site):
    first = brought(site)
    site.write(coredns_binary=first)
    done = site.apply("--take-over")
    assert done.code == 0, done.out + done.err
    path = f"/etc/svcform/bin/coredns-{first[ARCHITECTURE]['sha256'][:16]}"
    assert path in on_node(site, "cat /etc/init.d/svcform-coredns")
    assert site.dig("+short", CLUSTER_IP)
    assert site.project.svcform("plan", "--detailed-exitcode").code == 0

    second = brought(site, "newer", "# newer\n")
    site.write(coredns_binary=second)
    assert f"- dns binary {path}" in site.project.svcform("plan").out
    done = site.apply()
    assert done.code == 0, done.out + done.err
    assert second[ARCHITECTURE]["sha256"][:16] in on_node(site, "ls /etc/svcform/bin")
    assert len(on_node(site, "ls /etc/svcform/bin").split()) == 1

    done = site.project.svcform("rollback", "n1", "--auto-approve")
    assert done.code == 0, done.out + done.err
    assert on_node(site, "ls /etc/svcform/bin") == f"{path.rpartition('/')[2]}\n"
    assert site.dig("+short", CLUSTER_IP)

    on_node(site, f"echo >>{path}")
    assert "dns binary" in site.project.svcform("plan").out

    assert site.project.svcform("destroy", "--auto-approve", "--allow-deletions").code == 0
    assert on_node(site, "ls -d /etc/svcform/bin; pgrep coredns") == ""


def test_a_file_with_another_checksum_and_another_architecture_are_refused(site):
    wrong = {ARCHITECTURE: {**brought(site)[ARCHITECTURE], "sha256": "0" * 64}}
    site.write(coredns_binary=wrong)
    done = site.project.svcform("plan")
    assert done.code == 1
    assert "SVC149" in done.out + done.err

    (content,) = brought(site).values()
    site.write(coredns_binary={"s390x": content})
    planned = site.project.svcform("plan", "--take-over")
    assert f"its architecture is {ARCHITECTURE}" in planned.out + planned.err
