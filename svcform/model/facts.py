"""Facts: what one node is, as it was read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from svcform.model.net import Family, Protocol


def _empty() -> Mapping[str, str]:
    return MappingProxyType({})


class Init(StrEnum):
    """What starts a node's services: ``NONE`` is whatever svcform has no service files for."""

    SYSTEMD = "systemd"
    SYSV = "sysv"
    OPENRC = "openrc"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class InterfaceAddress:
    """An address of an interface, canonical, with the length of its prefix."""

    interface: str
    address: str
    prefix_length: int
    scope: str = "global"


class Listening(NamedTuple):
    """A TCP socket that waits for connections.

    The address is empty for all of the node's, ``0.0.0.0`` or ``::`` for all of one family.
    """

    address: str
    port: int


class ForeignSocket(NamedTuple):
    """A socket that somebody else than svcform's servers listens on.

    The address is canonical, empty for all of the node's, ``0.0.0.0`` or ``::`` for all of one
    family.  ``process`` is who it is, as a person reads it.
    """

    protocol: Protocol
    address: str
    port: int
    process: str


class ClosedInput(NamedTuple):
    """A chain of somebody else's that lets in to the node only what it knows.

    ``name`` is as a person reads it.  ``opening`` is the command that lets in TCP, up to the ports,
    which stand between it and ``ending``.  ``ports`` are the spans that it lets in already.
    ``has_jump`` says whether a jump of ours comes before that, in modes that have one there.
    """

    name: str
    opening: str
    ending: str
    ports: tuple[tuple[int, int], ...] = ()
    has_jump: bool = False

    def lets_in(self, port: int) -> bool:
        """Whether it lets in TCP at that port, from somewhere at least."""
        return any(first <= port <= last for first, last in self.ports)


class SshConnection(NamedTuple):
    """The SSH connection that a reading came in on, as the node saw it: from whom, and to what."""

    peer: str
    address: str
    port: int


class Resolver(NamedTuple):
    """Who writes the node's resolv.conf, and its lines that name no server.

    The owner is empty where nobody does (a plain file), ``systemd-resolved``, or who else it is.
    ``rivals`` are the files of that one's configuration that name servers besides svcform's.
    """

    owner: str = ""
    lines: tuple[str, ...] = ()
    rivals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What one node is.

    ``tools`` maps a tool's name (``iptables-nft``, ``conntrack``) to its version text; a tool that
    is not on the node is not in it.  ``sysctls`` maps dotted names to values, for those that a
    backend asked for and the kernel has.  ``routes`` are the lines of the main table, each behind
    its family (``IPv4 default via 192.0.2.1 dev eth0``).  ``default_source`` is the source address
    of the default route, for each family that has one.  ``filtered`` are the families for which
    somebody else uses iptables' table filter.
    ``modules`` are those loaded or built in, ``loadable`` those that ``modprobe`` would find, of
    those that a backend asked for; ``module_parameters`` maps ``module.parameter`` to its value.
    ``bridges`` are the interfaces that are bridges.  ``units`` are the active ones among those that
    reload packet filters (``firewalld`` …), ``disruptive`` those of them that, as they are
    configured, flush everybody's rules when they start again.
    ``init`` is what starts the node's services, and ``init_writable`` whether files for it can be
    written; they can't on a read-only /etc.
    ``dns_serial`` is the highest serial of a zone on the node, for a plan on any node of the run; 0
    for none.
    ``open_files`` is how many files root may let a process open, 0 where that isn't known.
    ``foreign_sockets`` are those that could be seen, where the node has HAProxy or nginx.
    ``closed_inputs`` are chains of firewalls that drop what comes to the node itself.
    ``ssh`` is None where the reading came in otherwise;
    ``sshd`` are the sockets on which the node's sshd listens, as far as that could be seen.
    """

    hostname: str = ""
    machine_id: str = ""
    boot_id: str = ""
    kernel: str = ""
    architecture: str = ""
    os_release: Mapping[str, str] = field(default_factory=_empty)
    tools: Mapping[str, str] = field(default_factory=_empty)
    sysctls: Mapping[str, str] = field(default_factory=_empty)
    addresses: tuple[InterfaceAddress, ...] = ()
    routes: tuple[str, ...] = ()
    default_source: Mapping[Family, str] = field(default_factory=lambda: MappingProxyType({}))
    modules: frozenset[str] = frozenset()
    loadable: frozenset[str] = frozenset()
    module_parameters: Mapping[str, str] = field(default_factory=_empty)
    bridges: frozenset[str] = frozenset()
    units: frozenset[str] = frozenset()
    disruptive: frozenset[str] = frozenset()
    init: Init = Init.NONE
    init_writable: bool = False
    dns_serial: int = 0
    open_files: int = 0
    filtered: frozenset[Family] = frozenset()
    closed_inputs: tuple[ClosedInput, ...] = ()
    ssh: SshConnection | None = None
    sshd: tuple[Listening, ...] = ()
    foreign_sockets: tuple[ForeignSocket, ...] = ()
    resolver: Resolver = field(default_factory=Resolver)

    def has_address(self, address: str) -> bool:
        """Whether an interface of the node has this canonical address."""
        return any(a.address == address for a in self.addresses)
