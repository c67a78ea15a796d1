"""The services that put a node's confirmed state back after a boot, and after a firewall's restart.

Two for the boot, as one would be a cycle: rules have to be there before the network serves, and
Docker starts long after.  The second one also has the addresses that routes need.
One for each firewall that is followed: firewalld conflicts with others, and a unit that is part of
both keeps it from restarting ("contradicting requirement dependencies").
And one for firewall-cmd.
"""

from __future__ import annotations

from collections.abc import Iterator

from svcform.backends.host.objects import BootUnit
from svcform.diagnostics import Diagnostic, Severity
from svcform.model.facts import Facts, Init
from svcform.program.layout import STATE_DIRECTORY
from svcform.program.unit import Unit, unit_files

_RESTORE = ("/bin/sh", f"{STATE_DIRECTORY}/runner", "restore")

_FIREWALLS = ("firewalld", "ufw", "nftables", "netfilter-persistent", "iptables", "ip6tables")

BEFORE_NETWORK = Unit(
    name="svcform",
    description="Put the confirmed Services back before the network serves",
    command=(*_RESTORE, "boot"),
    before_network=True,
    after=tuple(f"{name}.service" for name in _FIREWALLS),
)
AFTER_NETWORK = Unit(
    name="svcform-late",
    description="Put the confirmed Services back once there are addresses",
    command=(*_RESTORE, "late"),
    after=("network.target", "network-online.target", "docker.service"),
)
FOLLOWERS = tuple(
    Unit(
        name=f"svcform-after-{name}",
        description=f"Put the confirmed Services back after {name}",
        command=(*_RESTORE, name),
        reload=_RESTORE,
        before_network=name in _FIREWALLS,
        after=("svcform.service",),
        follows=(f"{name}.service",),
    )
    for name in (*_FIREWALLS, "docker")
)
#: firewall-cmd talks to firewalld over D-Bus, and systemd sees nothing of it.  What is to be
#: flushed and loaded it gives iptables-restore as files in this folder (1.3.3, functions.py).
FIREWALL_CMD = Unit(
    name="svcform-after-firewall-cmd",
    description="Put the confirmed Services back after firewall-cmd",
    command=(*_RESTORE, "firewall-cmd"),
    follows=("firewalld.service",),
    watches="/run/firewalld",
)


def boot_units(facts: Facts) -> Iterator[BootUnit]:
    """What should start at boot; nothing where it can't be told to."""
    if not facts.init_writable:
        return
    followers = FOLLOWERS if facts.init is Init.SYSTEMD else ()
    for unit in (BEFORE_NETWORK, AFTER_NETWORK, *followers, FIREWALL_CMD):
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
