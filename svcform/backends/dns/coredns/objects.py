"""What is svcform's of DNS on a node, as objects: record sets, the start of each zone, files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from svcform.lang.zone.text import soa_line
from svcform.model.zone import RecordSet, Soa
from svcform.plan.snapshot import ObjectAddress

NAME = "coredns"
FOLDER = "/etc/svcform/coredns"
COREFILE = f"{FOLDER}/Corefile"
#: Not in /var, which may be mounted noexec.
BINARIES = "/etc/svcform/bin"
UNIT = "svcform-coredns"
RESOLV_CONF = "/etc/resolv.conf"
DROP_IN = "/etc/systemd/resolved.conf.d/svcform.conf"
RESOLVER_FILES = (RESOLV_CONF, DROP_IN)


@dataclass(frozen=True, slots=True)
class Start:
    """A zone that is there, with its SOA; the serial is no part of what a plan compares.

    ``edited`` is the SHA-256 of a file that somebody edited into another form than svcform's; what
    is no zone at all by now has no ``soa``.
    """

    origin: str
    soa: Soa | None
    edited: str = ""

    @property
    def address(self) -> ObjectAddress:
        """``coredns cluster.local. cluster.local. SOA``."""
        return record_address(self.origin, self.origin, "SOA")

    def lines(self) -> tuple[str, ...]:
        """The SOA with ``SERIAL`` in the serial's place."""
        if self.soa is None:
            return ("; is no zone any more",)
        line = soa_line(self.origin, self.soa, "SERIAL")
        return (line, "; edited by hand") if self.edited else (line,)


@dataclass(frozen=True, slots=True)
class File:
    """A file of svcform's: the Corefile, or the unit's."""

    path: str
    text: str
    mode: int = 0o644

    @property
    def address(self) -> ObjectAddress:
        """``coredns file /etc/svcform/coredns/Corefile``."""
        return ObjectAddress(NAME, ("file", self.path))

    def lines(self) -> tuple[str, ...]:
        """The file's own."""
        return tuple(self.text.splitlines())


@dataclass(frozen=True, slots=True)
class Binary:
    """A CoreDNS that svcform brought; of one that is on a node, the content is not known."""

    path: str
    sha256: str
    content: bytes = field(default=b"", repr=False, compare=False)

    @property
    def address(self) -> ObjectAddress:
        """``coredns binary /etc/svcform/bin/coredns-0123456789abcdef``."""
        return ObjectAddress(NAME, ("binary", self.path))

    def lines(self) -> tuple[str, ...]:
        """Its checksum."""
        return (f"SHA-256 {self.sha256}",)


@dataclass(frozen=True, slots=True)
class Running:
    """CoreDNS runs with svcform's Corefile."""

    @property
    def address(self) -> ObjectAddress:
        """``coredns service svcform-coredns``."""
        return ObjectAddress(NAME, ("service", UNIT))

    def lines(self) -> tuple[str, ...]:
        """What is true."""
        return (f"{UNIT} runs",)


def record_address(origin: str, name: str, kind: str) -> ObjectAddress:
    """Where a record set is: zone, name, type."""
    return ObjectAddress(NAME, (origin, name, kind))


def text_digest(text: str) -> str:
    """The SHA-256 of a file's text, which ends with a line's end."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def zone_path(origin: str) -> str:
    """Where a zone's file is; an origin ends with a dot."""
    return f"{FOLDER}/{origin}zone"


DnsObject = RecordSet | Start | File | Binary | Running
