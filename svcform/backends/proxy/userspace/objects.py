"""What servers are told, as objects: listeners, endpoints, answers for load balancers, files."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from svcform.lang.listener import place_text
from svcform.model.net import Protocol
from svcform.plan.snapshot import ObjectAddress

#: The two backends that have servers.
NAME = "userspace"
HEALTH = "health"


class Server(Enum):
    """Instances of svcform's own: of HAProxy, which carries TCP, of nginx, which carries UDP.

    A second one of HAProxy answers health checks, in every mode: what becomes of it is no Service's
    business.
    """

    HAPROXY = "haproxy"
    NGINX = "nginx"
    HEALTH = "health"

    @property
    def backend(self) -> str:
        """Whose it is."""
        return HEALTH if self is Server.HEALTH else NAME

    @property
    def program(self) -> str:
        """What it is an instance of."""
        return "nginx" if self is Server.NGINX else "haproxy"

    @property
    def proof_port(self) -> int:
        """Where it says, on the loopback, which files it has read; as in ``common.sh``."""
        return {"haproxy": 29998, "nginx": 29999, "health": 10239}[self.value]

    @property
    def unit(self) -> str:
        """The name of its unit."""
        return f"svcform-{self.value}"

    @property
    def suffix(self) -> str:
        """How its files end."""
        return "conf" if self is Server.NGINX else "cfg"

    @property
    def frame(self) -> str:
        """Its main file."""
        return f"{self.value}.{self.suffix}"


#: Which of them carries a protocol; no other one is carried.
SERVERS = {Protocol.TCP: Server.HAPROXY, Protocol.UDP: Server.NGINX}


@dataclass(frozen=True, slots=True)
class Listening:
    """A socket for one pool of a Service port; ``name`` is as in the configuration.

    ``affinity_seconds`` of UDP is 0 or None: nginx keeps clients for as long as endpoints stay.
    """

    name: str
    place: tuple[str, int]
    affinity_seconds: int | None
    affinity_entries: int

    @property
    def address(self) -> ObjectAddress:
        """``userspace listener default/web:http TCP IPv4``."""
        return ObjectAddress(NAME, ("listener", *_words(self.name)))

    def lines(self) -> tuple[str, ...]:
        """Where it listens, and whether it remembers clients."""
        if self.affinity_seconds is None:
            return (f"listens on {place_text(*self.place)}",)
        kept = f", {self.affinity_seconds} s" if self.affinity_seconds else ""
        return (f"listens on {place_text(*self.place)}, remembers clients{kept}",)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One that a listener's connections may go to."""

    listener: str
    place: tuple[str, int]

    @property
    def address(self) -> ObjectAddress:
        """``userspace endpoint default/web:http TCP IPv4 10.1.0.2:80``."""
        return ObjectAddress(NAME, ("endpoint", *_words(self.listener), place_text(*self.place)))

    def lines(self) -> tuple[str, ...]:
        """Its address and port."""
        return (place_text(*self.place),)


@dataclass(frozen=True, slots=True)
class Health:
    """An HTTP answer for load balancers on a Service's health-check node port.

    ``addresses`` are those of the node that answer, none for all; with ``ipv6`` that family, too.
    """

    service: str
    port: int
    endpoints: int
    addresses: tuple[str, ...]
    ipv6: bool

    @property
    def address(self) -> ObjectAddress:
        """``health check default/web``."""
        return ObjectAddress(HEALTH, ("check", self.service))

    def lines(self) -> tuple[str, ...]:
        """Where, and what it says."""
        status = 200 if self.endpoints else 503
        where = f" of {', '.join(self.addresses)}" if self.addresses else ""
        return (f"port {self.port}{where} says {status}: {self.endpoints} local endpoints",)


@dataclass(frozen=True, slots=True)
class File:
    """A file of svcform's: a server's main file, a unit's, or one that somebody else wrote."""

    path: str
    text: str
    mode: int = 0o644
    backend: str = NAME

    @property
    def address(self) -> ObjectAddress:
        """``userspace file /etc/svcform/haproxy/haproxy.cfg``."""
        return ObjectAddress(self.backend, ("file", self.path))

    def lines(self) -> tuple[str, ...]:
        """The file's own."""
        return tuple(self.text.splitlines())


@dataclass(frozen=True, slots=True)
class Running:
    """A server runs, and serves what its files say."""

    server: Server
    is_current: bool = True

    @property
    def address(self) -> ObjectAddress:
        """``userspace service svcform-haproxy``."""
        return ObjectAddress(self.server.backend, ("service", self.server.unit))

    def lines(self) -> tuple[str, ...]:
        """What is true."""
        what = "what its files say" if self.is_current else "something else than its files say"
        return (f"{self.server.unit} runs and serves {what}",)


def listener_name(service: tuple[str, str], port: str, kind: tuple[str, str], number: int) -> str:
    """``IPv4.TCP.default.web.http.1``: family and protocol, Service, its port, and which pool."""
    return ".".join((*kind, *service, port or _UNNAMED, str(number)))


#: In place of the name of a port that has none.
_UNNAMED = "0"


@lru_cache(maxsize=1 << 15)
def _words(name: str) -> tuple[str, ...]:
    family, protocol, namespace, service, port, number = name.split(".")
    port = "" if port == _UNNAMED else f":{port}"
    more = () if number == "1" else (number,)
    return (f"{namespace}/{service}{port}", protocol, family, *more)


def service_file(server: Server, namespace: str, service: str) -> str:
    """Where all of a Service's is; the name is relative to the server's folder."""
    return f"services/{namespace}.{service}.{server.suffix}"


def folder_of(server: Server) -> str:
    """``/etc/svcform/haproxy``."""
    return f"/etc/svcform/{server.value}"


ProxyObject = Listening | Endpoint | Health | File | Running
