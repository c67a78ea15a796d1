"""HAProxy's configuration, as far as svcform writes it (HAProxy 2.2 and later).

Each section stands in front of its lines, which are indented; :func:`parse` reads what
:func:`write` wrote, and nothing else.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from svcform.lang.listener import (
    Listener,
    check_address,
    check_name,
    parse_place,
    place_text,
)

_CHECK = re.compile(
    r"frontend (?P<name>\S+)\n    bind \*:(?P<port>\d+)\n(?P<ipv6>    bind :::\d+ v6only\n)?"
    r"(?P<here>(?:    acl here dst \S+\n)*)(?:    tcp-request connection reject unless here\n)?"
    r"    http-request return status 503 [^\n]* unless [^\n]*\n"
    r"    http-request return status (?:200|503) [^\n]*"
    r"hdr X-Load-Balancing-Endpoint-Weight (?P<count>\d+) string '[^'\n]*'\n"
)


class Check(NamedTuple):
    """An HTTP answer for load balancers: 200 where the Service has endpoints here, else 503.

    While one of the servers is dead that the frame watches, it is 503 as well.
    ``name`` is ``health.NAMESPACE.SERVICE``; ``ipv6`` says whether the node has that family.
    ``addresses`` are the node's that answer; without any, all do.
    """

    name: str
    port: int
    endpoints: int
    addresses: tuple[str, ...]
    ipv6: bool


class CheckFrame(NamedTuple):
    """What stands in front of all answers; see :class:`Frame`.

    ``tcp_port`` and ``udp_port`` are those on the loopback where HAProxy and nginx say which files
    they have read: a node is healthy while both do.  0 where there is none to be watched.
    """

    socket_prefix: str
    max_connections: int
    client_seconds: int
    tcp_port: int = 0
    udp_port: int = 0


class Frame(NamedTuple):
    """What stands in front of all listeners.

    ``max_connections`` take two files each; the processes have to be allowed as many.
    ``socket_prefix`` is what the paths of its own sockets begin with.
    """

    socket_prefix: str
    max_connections: int
    connect_milliseconds: int
    idle_days: int


def write_frame(frame: Frame) -> str:
    """The sections ``global``, ``defaults`` and ``peers``.

    A connection that fails is tried again three times, each time with another endpoint.  The one
    peer is the process itself: so the one before a reload tells the next whom it knows.
    """
    idle = f"{frame.idle_days}d"
    return "\n".join(
        (
            "global",
            f"    maxconn {frame.max_connections}",
            "    localpeer svcform",
            # Nobody's; what has to be root's is done before, and by the master process.
            "    uid 65534",
            "    gid 65534",
            f"    stats socket {frame.socket_prefix}.sock mode 600 level admin expose-fd listeners",
            "defaults",
            "    mode tcp",
            "    balance roundrobin",
            "    retries 3",
            "    option redispatch 1",
            f"    timeout connect {frame.connect_milliseconds}ms",
            # Idle connections are let live as long as conntrack lets them; dead peers are noticed
            # by the kernel's keep-alive.
            "    option clitcpka",
            "    option srvtcpka",
            f"    timeout client {idle}",
            f"    timeout server {idle}",
            "peers svcform",
            f"    bind unix@{frame.socket_prefix}-peers.sock mode 600 uid 65534",
            "    server svcform",
            "",
        )
    )


def write_check_frame(frame: CheckFrame) -> str:
    """The sections ``global`` and ``defaults``; whoever says nothing keeps nobody from asking."""
    return "\n".join(
        (
            "global",
            f"    maxconn {frame.max_connections}",
            "    nbthread 1",
            "    uid 65534",
            "    gid 65534",
            f"    stats socket {frame.socket_prefix}.sock mode 600 level admin expose-fd listeners",
            "defaults",
            "    mode http",
            f"    timeout client {frame.client_seconds}s",
            *_watch(_TCP_PROXY, frame.tcp_port, ("option httpchk",)),
            *_watch(_UDP_PROXY, frame.udp_port, _SPEAKS_FIRST),
            "",
        )
    )


_TCP_PROXY, _UDP_PROXY = "tcp-proxy", "udp-proxy"
_SPEAKS_FIRST = ("option tcp-check", "tcp-check connect", "tcp-check expect rstring .")


def _watch(name: str, port: int, question: Sequence[str]) -> Iterator[str]:
    """A server that is down after two failures, so that a restart is none; one without is up."""
    yield f"backend {name}"
    yield "    timeout connect 2s"
    yield "    timeout server 2s"
    yield from (f"    {line}" for line in question if port)
    check = " check inter 2s fall 2 rise 1" if port else ""
    yield f"    server {name} 127.0.0.1:{port or 1}{check}"


def write(listeners: Sequence[Listener]) -> str:
    """The sections of some listeners; raises ValueError for what doesn't fit in."""
    return "".join(f"{line}\n" for listener in listeners for line in _listen(listener))


def write_checks(checks: Sequence[Check]) -> str:
    """The sections of some answers; raises ValueError for what doesn't fit in."""
    return "".join(f"{line}\n" for check in checks for line in _answer(check))


def _listen(listener: Listener) -> Iterator[str]:
    yield f"listen {check_name(listener.name)}"
    yield f"    bind {place_text(listener.address, listener.port)}"
    if listener.affinity_seconds is not None:
        family = "ipv6" if ":" in listener.address else "ip"
        yield (
            f"    stick-table type {family} size {listener.affinity_entries} "
            f"expire {listener.affinity_seconds}s peers svcform"
        )
        yield "    stick on src"
    places = [place_text(*endpoint) for endpoint in listener.endpoints]
    for place, number in zip(places, _numbers(places), strict=True):
        # Brackets can't stand in a name.
        yield f"    server {place.replace('[', '').replace(']', '')} {place} id {number}"


def _numbers(places: Sequence[str]) -> list[int]:
    """By its name and its number a server is known across reloads.

    By default it is its place in the list, and clients of one that went would all be another's.
    """
    numbers: dict[int, None] = {}
    for place in places:
        number = zlib.crc32(place.encode()) >> 1 or 1
        while number in numbers:
            number += 1
        numbers[number] = None
    return list(numbers)


def _answer(check: Check) -> Iterator[str]:
    namespace, service = check_name(check.name).split(".")[1:]
    status = 200 if check.endpoints else 503
    yield f"frontend {check.name}"
    # A socket for an address that the node loses would keep all others from being there.
    yield f"    bind *:{check.port}"
    if check.ipv6:
        yield f"    bind :::{check.port} v6only"
    for address in check.addresses:
        yield f"    acl here dst {check_address(address)}"
    if check.addresses:
        yield "    tcp-request connection reject unless here"
    # A worker that a reload stops counts no servers (nbsrv is 0, HAProxy 2.6), but it knows of
    # each, and still has to answer who asked it before.
    healthy = " ".join(f"{{ srv_is_up({name}/{name}) }}" for name in (_TCP_PROXY, _UDP_PROXY))
    yield f"{_return(503, check.endpoints, namespace, service, 'false')} unless {healthy}"
    yield _return(status, check.endpoints, namespace, service, "true")


def _return(status: int, count: int, namespace: str, service: str, healthy: str) -> str:
    """An answer with the headers and the body of kube-proxy's (v1.36 ``service_health.go``)."""
    body = (
        f'{{"service":{{"namespace":"{namespace}","name":"{service}"}},'
        f'"localEndpoints":{count},"serviceProxyHealthy":{healthy}}}'
    )
    return (
        f"    http-request return status {status} content-type application/json "
        "hdr X-Content-Type-Options nosniff "
        f"hdr X-Load-Balancing-Endpoint-Weight {count} string '{body}'"
    )


def parse(text: str) -> tuple[Listener, ...]:
    """What :func:`write` was given; raises ValueError for any other text."""
    try:
        found = tuple(_parse_listen(section.splitlines()) for section in _sections(text))
    except IndexError as error:
        raise ValueError("a line has fewer words than svcform writes") from error
    if write(found) != text:
        raise ValueError("it has other lines than svcform writes")
    return found


def parse_checks(text: str) -> tuple[Check, ...]:
    """What :func:`write_checks` was given; raises ValueError for any other text."""
    found = tuple(map(_parse_check, _sections(text)))
    if write_checks(found) != text:
        raise ValueError("it has other lines than svcform writes")
    return found


def _sections(text: str) -> list[str]:
    return re.findall(r"[^ \n][^\n]*\n(?: [^\n]*\n)*", text)


def _parse_check(section: str) -> Check:
    found = _CHECK.fullmatch(section)
    if not found:
        raise ValueError(f"a frontend that svcform does not write: {section.splitlines()[0]!r}")
    addresses = tuple(line.split()[-1] for line in found["here"].splitlines())
    return Check(
        found["name"], int(found["port"]), int(found["count"]), addresses, bool(found["ipv6"])
    )


def _parse_listen(lines: Sequence[str]) -> Listener:
    words = [line.split() for line in lines]
    address, port = parse_place(_last(words, "bind"))
    table = next((found for found in words if found[0] == "stick-table"), [])
    seconds, entries = None, 0
    if len(table) > 6:
        seconds, entries = int(table[6].removesuffix("s")), int(table[4])
    servers = tuple(parse_place(found[2]) for found in words if found[0] == "server")
    return Listener(words[0][-1], address, port, servers, seconds, entries)


def _last(words: Sequence[Sequence[str]], first: str) -> str:
    return next((found[-1] for found in words if found[0] == first), "")
