"""Which active units would disrupt what isn't theirs is read from their configuration."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from svcform.program.reading import parse_reading, reading_input, reading_script

pytestmark = pytest.mark.root
NONCE = "0123456789abcdef" * 2
UFW, PERSISTENT = "/etc/default/ufw", "/etc/default/netfilter-persistent"
FIREWALLD, DIRECT = "/etc/firewalld/firewalld.conf", "/etc/firewalld/direct.xml"
VERSION = "/run/systemd/version"
FOLDERS = ("/etc/default", "/etc/firewalld", "/run/systemd")


def read_units(tmp_path: Path, active: str, files: dict[str, str]) -> list[str]:
    """What the reading says where systemctl calls one unit active, and these files are.

    firewalld says over D-Bus which version it is.
    """
    (tmp_path / "systemctl").write_text(f'#!/bin/sh\n[ "$3" = {active} ]\n')
    (tmp_path / "busctl").write_text(f"#!/bin/sh\ncat {VERSION}\n")
    for name in ("systemctl", "busctl"):
        (tmp_path / name).chmod(0o755)
    (tmp_path / "reading").write_text(reading_script([]))
    setup = "".join(f"mkdir -p {f} && mount -t tmpfs none {f} || exit\n" for f in FOLDERS)
    setup += "mkdir /run/systemd/system\n"
    setup += "".join(f"printf '%s\\n' '{text}' >{name}\n" for name, text in files.items())
    setup += f"PATH={tmp_path}:$PATH exec sh {tmp_path}/reading"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", setup],
        input=reading_input(NONCE, compress=False),
        capture_output=True,
        check=True,
    )
    return parse_reading(done.stdout, NONCE)["fact.units"].output.decode().splitlines()


@pytest.mark.parametrize(
    ("unit", "files"),
    [
        ("nftables", {}),
        ("iptables", {}),
        ("ip6tables", {}),
        ("netfilter-persistent", {}),
        ("netfilter-persistent", {PERSISTENT: "# IPTABLES_RESTORE_NOFLUSH=yes"}),
        ("ufw", {UFW: "MANAGE_BUILTINS=yes"}),
        ("firewalld", {FIREWALLD: "FirewallBackend=iptables"}),
        ("firewalld", {DIRECT: '<direct><rule ipv="ipv4">-j DROP</rule></direct>'}),
        ("firewalld", {FIREWALLD: "FirewallBackend=nftables", VERSION: 's "1.3.3"'}),
    ],
)
def test_these_disrupt(tmp_path: Path, unit: str, files: dict[str, str]) -> None:
    assert read_units(tmp_path, unit, files) == [unit, f"disrupts {unit}"]


@pytest.mark.parametrize(
    ("unit", "files"),
    [
        ("netfilter-persistent", {PERSISTENT: 'IPTABLES_RESTORE_NOFLUSH="yes"'}),
        ("ufw", {UFW: "MANAGE_BUILTINS=no"}),
        (
            "firewalld",
            {FIREWALLD: "FirewallBackend=nftables", DIRECT: "<direct/>", VERSION: 's "2.0.1"'},
        ),
        ("docker", {}),
    ],
)
def test_these_do_not(tmp_path: Path, unit: str, files: dict[str, str]) -> None:
    assert read_units(tmp_path, unit, files) == [unit]
