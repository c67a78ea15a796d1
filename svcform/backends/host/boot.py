"""The services that put a node's confirmed state back after a boot, and after a firewall's restart.

Two, as one would be a cycle: rules have to be there before the network serves, and Docker, whose
restarts have to be followed as well, starts long after.  The second one also has the addresses that
routes need.
"""

from __future__ import annotations

from collections.abc import Iterator

from svcform.backends.host.objects import BootUnit
from svcform.diagnostics import Diagnostic, Severity
from svcform.model.facts import Facts, Init
from svcform.program.layout import STATE_DIRECTORY
from svcform.program.unit import Unit, unit_files

_RESTORE = ("/bin/sh", f"{STATE_DIRECTORY}/runner", "restore")

BEFORE_NETWORK = Unit(
    name="svcform",
    description="Put the confirmed Services back before the network serves",
    command=(*_RESTORE, "boot"),
    reload=_RESTORE,
    before_network=True,
    follows=tuple(
        f"{name}.service"
        for name in (
            "firewalld",
            "ufw",
            "nftables",
            "netfilter-persistent",
            "iptables",
            "ip6tables",
        )
    ),
)
AFTER_NETWORK = Unit(
    name="svcform-late",
    description="Put the confirmed Services back once there are addresses",
    command=(*_RESTORE, "late"),
    reload=_RESTORE,
    after=("network.target", "network-online.target"),
    wants=("network-online.target",),
    follows=("docker.service",),
)


def boot_units(facts: Facts) -> Iterator[BootUnit]:
    """What should start at boot; nothing where it can't be told to."""
    if not facts.init_writable:
        return
    for unit in (BEFORE_NETWORK, AFTER_NETWORK):
        for file in unit_files(unit, facts.init):
            yield BootUnit(file.path, tuple(file.text.splitlines()), file.mode)


def warn_of_boot(facts: Facts, node: str) -> Iterator[Diagnostic]:
    """Where nothing of ours starts at boot."""
    if facts.init is Init.NONE:
        why = "it has no init system that svcform knows (systemd, OpenRC, or one with init scripts "
        why += "and update-rc.d or chkconfig)"
    elif not facts.init_writable:
        why = "its service files are on a read-only file system"
    else:
        return
    yield Diagnostic(
        "SVC459",
        Severity.WARNING,
        "Services won't come back after a reboot",
        f"svcform can't tell {node} to put its Services back after a reboot: {why}. Let the node "
        f"run `sh {STATE_DIRECTORY}/runner restore` when it has booted, or apply again then.",
    )
