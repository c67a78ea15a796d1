"""Virtual services and their servers, as ``ipvsadm`` and the kernel's listing write them.

A *place* is how ``/proc/net/ip_vs`` names a virtual service or a server: hexadecimal, and the same
on every node (Linux, ``ip_vs_ctl.c``, ``ip_vs_info_seq_show``).
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import lru_cache

from svcform.model.net import Family, endpoint_text, family_of

#: The kernel's, as far as they need nothing else to be set (Linux 6.1).
SCHEDULERS = ("rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq", "mh")
_PROTOCOL_FLAGS = {"TCP": "-t", "UDP": "-u", "SCTP": "--sctp-service"}
#: Flags that a scheduler is of no use without: with mh, connections of one client are spread, too.
_FLAGS = {"mh": " -b mh-port"}


@dataclass(frozen=True, slots=True)
class MarkedService:
    """Catches packets by their mark."""

    mark: int
    family: Family

    @property
    def place(self) -> str:
        """``FWM 40001000``."""
        return f"FWM {self.mark:08X}"

    def write(self) -> str:
        """``-f 1073745920``, or ``-f 1073745920 -6``."""
        return f"-f {self.mark}" + (" -6" if self.family is Family.IPV6 else "")

    def __str__(self) -> str:
        return f"mark {self.mark:#x}"


@dataclass(frozen=True, slots=True)
class AddressService:
    """Catches packets by address, port and protocol (``TCP``, ``UDP``, ``SCTP``)."""

    protocol: str
    address: str
    port: int

    @property
    def place(self) -> str:
        """``TCP 0A60000A:0050``."""
        return f"{self.protocol} {place_of(self.address, self.port)}"

    def write(self) -> str:
        """``-t 10.96.0.10:80``."""
        return f"{_PROTOCOL_FLAGS[self.protocol]} {endpoint_text(self.address, self.port)}"

    def __str__(self) -> str:
        return f"{self.protocol.lower()} {endpoint_text(self.address, self.port)}"


Caught = MarkedService | AddressService


@dataclass(frozen=True, slots=True)
class Server:
    """Where connections go; ``method`` is the kernel's word: ``Masq``, ``Route``, ``Tunnel``."""

    address: str
    port: int
    weight: int = 1
    method: str = "Masq"

    @property
    def place(self) -> str:
        """``0A4F0016:1F90``."""
        return place_of(self.address, self.port)

    def write(self) -> str:
        """``-r 10.0.0.1:80 -m -w 1``."""
        method = {"Masq": "-m", "Tunnel": "-i"}.get(self.method, "-g")
        return f"{self.named()} {method} -w {self.weight}"

    def named(self) -> str:
        """``-r 10.0.0.1:80``, which one it is."""
        return f"-r {endpoint_text(self.address, self.port)}"


def options(scheduler: str, seconds: int | None) -> str:
    """``-s rr -p 600``: how a virtual service spreads, and how long a client stays."""
    return f"-s {scheduler}{_FLAGS.get(scheduler, '')}" + (
        "" if seconds is None else f" -p {seconds}"
    )


@lru_cache(maxsize=262144)
def place_of(address: str, port: int) -> str:
    """Address and port as the kernel prints them: ``0A60000A:0050``, ``[FD96:0000:…]:0050``."""
    if family_of(address) is Family.IPV4:
        a, b, c, d = map(int, address.split("."))
        return f"{a:02X}{b:02X}{c:02X}{d:02X}:{port:04X}"
    return f"[{ipaddress.IPv6Address(address).exploded}]:{port:04X}"


@lru_cache(maxsize=262144)
def read_place(text: str) -> tuple[str, int]:
    """The address, canonical, and the port; raises ValueError where there are none."""
    host, _, port = text.rpartition(":")
    if host.startswith("["):
        return str(ipaddress.IPv6Address(host.strip("[]"))), int(port, 16)
    if len(host) != 8:
        raise ValueError(text)
    return str(ipaddress.IPv4Address(int(host, 16))), int(port, 16)
