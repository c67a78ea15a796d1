"""The host's settings as objects."""

from __future__ import annotations

from dataclasses import dataclass

from svcform.model.net import Family
from svcform.plan.snapshot import ObjectAddress

NAME = "host"

_SWAP = str.maketrans("./", "/.")


def sysctl_path(name: str) -> str:
    """``net.ipv4.ip_forward`` as a path below /proc/sys, by sysctl(8)'s rule for dots."""
    return name.translate(_SWAP)


@dataclass(frozen=True, slots=True)
class Sysctl:
    """A kernel setting and its value; ``name`` is as sysctl(8) writes it."""

    name: str
    value: str

    @property
    def address(self) -> ObjectAddress:
        """``host sysctl net.ipv4.ip_forward``."""
        return ObjectAddress(NAME, ("sysctl", self.name))

    def lines(self) -> tuple[str, ...]:
        """As in sysctl.conf."""
        return (f"{self.name} = {self.value}",)


@dataclass(frozen=True, slots=True)
class Module:
    """A kernel module that is loaded, with the options it was asked for."""

    name: str
    options: str = ""

    @property
    def address(self) -> ObjectAddress:
        """``host module br_netfilter``."""
        return ObjectAddress(NAME, ("module", self.name))

    def lines(self) -> tuple[str, ...]:
        """As modprobe takes it."""
        return (f"modprobe {self.name} {self.options}".rstrip(),)


@dataclass(frozen=True, slots=True)
class Route:
    """A route for service addresses on loopback: a node without a default route needs one.

    Without it the kernel answers "network is unreachable" before a packet meets any rule.
    """

    family: Family
    cidr: str
    source: str

    @property
    def address(self) -> ObjectAddress:
        """``host route 10.96.0.0/16``."""
        return ObjectAddress(NAME, ("route", self.cidr))

    def lines(self) -> tuple[str, ...]:
        """As ip-route(8) takes it; 83 is the protocol number that marks svcform's routes."""
        return (f"{self.cidr} dev lo src {self.source} proto 83",)


@dataclass(frozen=True, slots=True)
class OwnAddress:
    """An address of a Service that the node has itself, so that one of its servers can bind it.

    It is on the dummy link ``svcform0``; a kernel without dummy links has it on the loopback.
    """

    text: str

    @property
    def address(self) -> ObjectAddress:
        """``host address 169.254.20.10``."""
        return ObjectAddress(NAME, ("address", self.text))

    def lines(self) -> tuple[str, ...]:
        """As ip-address(8) shows it, without the link."""
        return (f"{self.text}/{128 if ':' in self.text else 32}",)


@dataclass(frozen=True, slots=True)
class BootUnit:
    """A service file that the init system starts at boot; ``mode`` are its permissions."""

    path: str
    text: tuple[str, ...]
    mode: int = 0o644
    enabled: bool = True

    @property
    def name(self) -> str:
        """``svcform.service``."""
        return self.path.rpartition("/")[2]

    @property
    def address(self) -> ObjectAddress:
        """``host unit svcform.service``."""
        return ObjectAddress(NAME, ("unit", self.name))

    def lines(self) -> tuple[str, ...]:
        """Where it is, and what is in it."""
        when = "at boot" if self.enabled else "never"
        return (f"{self.path}, started {when}", *self.text)


HostObject = Sysctl | Module | Route | OwnAddress | BootUnit
