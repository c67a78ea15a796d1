"""What a node has to run servers with, what it lacks, and who is where they would listen."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType

from svcform.backends.contract import Reading
from svcform.backends.proxy.userspace.objects import SERVERS, Server
from svcform.backends.proxy.userspace.observe import facts_of
from svcform.model.facts import Facts, ForeignSocket
from svcform.model.net import Protocol
from svcform.model.packages import install_command
from svcform.policy.intent import Destination

#: HAProxy's ``http-request return``, which all instances need.
_OLDEST = (2, 2)


_ALL_OF_IPV4 = "0.0.0.0"  # noqa: S104 - nothing is bound here
_HOLDER = re.compile(r'\("([^"]*)",pid=(\d+)')


def told(readings: Mapping[str, Reading], facts: Facts) -> Facts:
    """The facts with the programs' versions, sockets, and how many files may be open."""
    tools = dict(facts.tools)
    for line in facts_of(readings, "tool"):
        name, _, version = line.partition("\t")
        tools[name] = version or "present"
    sockets = {found for line in facts_of(readings, "socket") if (found := _socket(line))}
    open_files = next(facts_of(readings, "open-files"), "")
    return replace(
        facts,
        tools=MappingProxyType(tools),
        open_files=int(open_files) if open_files.isdecimal() else 0,
        foreign_sockets=tuple(sorted(sockets, key=str)),
    )


def _socket(line: str) -> ForeignSocket | None:
    """A line of ``ss -H -lntup``."""
    words = line.split()
    if len(words) < 5 or words[0] not in {"tcp", "udp"}:
        return None
    text, _, port = words[4].rpartition(":")
    address = text.partition("%")[0].strip("[]").replace("*", "")
    try:
        address = str(ipaddress.ip_address(address)) if address else ""
    except ValueError:
        return None
    if not port.isdecimal():
        return None
    holder = _HOLDER.search(line)
    process = f"{holder[1]} (process {holder[2]})" if holder else "an unknown process"
    return ForeignSocket(Protocol(words[0].upper()), address, int(port), process)


def in_the_way(facts: Facts, protocol: Protocol, address: str, port: int) -> ForeignSocket | None:
    """Who keeps a server from listening there."""
    for found in _by_place(facts.foreign_sockets).get((protocol, port), ()):
        if found.address in {"", address} or _is_wildcard(found.address, address):
            return found
    return None


@lru_cache(maxsize=64)
def _by_place(
    sockets: tuple[ForeignSocket, ...],
) -> Mapping[tuple[Protocol, int], list[ForeignSocket]]:
    found: dict[tuple[Protocol, int], list[ForeignSocket]] = {}
    for each in sockets:
        found.setdefault((each.protocol, each.port), []).append(each)
    return found


def _is_wildcard(held: str, address: str) -> bool:
    """An IPv6 socket for all addresses mostly takes IPv4, too."""
    return held == "::" or (held == _ALL_OF_IPV4 and ":" not in address)


def proof_in_the_way(facts: Facts, server: Server) -> ForeignSocket | None:
    """Who has the port on the loopback where a server says which files it has read.

    What is left of a server that was killed holds it, too, and is ended when it starts.
    """
    found = in_the_way(facts, Protocol.TCP, "127.0.0.1", server.proof_port)
    return None if found and _is_left(found, "127.0.0.1", server) else found


def socket_in_the_way(facts: Facts, protocol: Protocol, place: Destination) -> ForeignSocket | None:
    """Who has the port of a proxy; nginx' workers that outlive their master are ended, too."""
    found = in_the_way(facts, protocol, place.address, place.port)
    return None if found and _is_left(found, place.address, SERVERS[protocol]) else found


def _is_left(found: ForeignSocket, address: str, server: Server) -> bool:
    return found.address == address and found.process.startswith(f"{server.program} (")


def what_lacks(server: Server, facts: Facts) -> str:
    """Sentences that say what a server needs and where it comes from; empty if all is there."""
    program = server.program
    version = facts.tools.get(program)
    if version is None:
        return f"it has no {program}. {install_command(program, facts.os_release)}"
    if program == "haproxy" and () < _numbers(version) < _OLDEST:
        wanted = ".".join(map(str, _OLDEST))
        return f"its HAProxy {version} is older than {wanted}. Install a newer one on the node."
    if program == "nginx" and "nginx-stream" not in facts.tools:
        remedy = install_command("nginx-stream", facts.os_release)
        return f"it has no stream module of nginx's. {remedy}"
    return ""


def has_asker(facts: Facts) -> bool:
    """Whether a server can be asked over TCP what it serves."""
    return bool(facts.tools.keys() & {"bash", "nc"})


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)[:2]))
