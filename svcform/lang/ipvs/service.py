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
#: Flags that a scheduler is of no use without.  With mh, connections of one client are spread, too.
#: Both leave a server that is leaving in their tables, and refuse whom they would have sent there
#: unless they may fall back to another (Linux, ``ip_vs_sh_get``, ``ip_vs_mh_get``).
_FLAGS = {"mh": "mh-fallback,mh-port", "sh": "sh-fallback"}
#: The netmask of persistence that remembers each client, as the kernel prints it of both families.
_EACH_CLIENT = ("FFFFFFFF", "80000000")


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


def options(scheduler: str, seconds: int | None, flags: str | None = None) -> str:
    """``-s rr -p 600``: how a virtual service spreads, and how long a client stays.

    ``flags`` are all else that it has, and None stands for what svcform gives it.
    """
    words = ["-s", scheduler]
    if seconds is not None:
        words += ["-p", str(seconds)]
    if flags is None:
        flags = f"-b {_FLAGS[scheduler]}" if scheduler in _FLAGS else ""
    return " ".join([*words, flags]) if flags else " ".join(words)


def flags_of(scheduler: str, listed: list[str]) -> str | None:
    """What stands behind the scheduler in a listing, as ipvsadm takes it.

    None is what svcform gives it; its time of persistence is no flag.
    """
    words, flags, given = list(listed), [], ""
    while words:
        word = words.pop(0)
        if word == "ops":
            flags.append("-o")
        elif word == "persistent":
            _, mask = words.pop(0), words.pop(0)
            flags += [] if mask in _EACH_CLIENT else [f"-M {_mask(mask)}"]
        elif word == "-b":
            given = words.pop(0)
        else:
            raise ValueError(word)
    if given == _FLAGS.get(scheduler, "") and not flags:
        return None
    return " ".join([*flags, f"-b {given}"] if given else flags)


def _mask(listed: str) -> str:
    """``FFFFFF00`` is a netmask, ``40000000`` a prefix of 64 bits of IPv6."""
    if listed.startswith("F"):
        return str(ipaddress.IPv4Address(int(listed, 16)))
    return str(int(listed[:2], 16))


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
