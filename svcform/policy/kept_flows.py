"""Which connections to a node no plan may cut."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from svcform.model.facts import Facts, Listening
from svcform.model.flow import Flow
from svcform.model.net import Family, Protocol, family_of
from svcform.model.settings import ManagementFlow, Settings
from svcform.policy.node_addresses import OWN_LINK

_EVERYBODY = {Family.IPV4: "0.0.0.0/0", Family.IPV6: "::/0"}
_WHOLE_FAMILY = {"0.0.0.0": Family.IPV4, "::": Family.IPV6}  # noqa: S104 - what ss prints


def kept_flows(settings: Settings, facts: Facts) -> tuple[Flow, ...]:
    """The connection of svcform itself, the play's ``management_flows``, and everybody's to sshd.

    The first is as the node saw it; the last are to the sockets and addresses that it has.
    """
    own = tuple(_own_addresses(facts))
    found = [*_svcform(facts)]
    for wanted in settings.management_flows:
        found += _management(wanted, own)
    for socket in facts.sshd:
        found += _sshd(socket, own)
    return tuple(dict.fromkeys(found))


def _own_addresses(facts: Facts) -> Iterator[str]:
    for found in facts.addresses:
        if found.scope == "global" and found.interface != OWN_LINK:
            yield found.address


def _svcform(facts: Facts) -> Iterator[Flow]:
    if facts.ssh is None:
        return
    bits = family_of(facts.ssh.peer).bits
    yield Flow(
        name="svcform's own connection",
        protocol=Protocol.TCP,
        source=f"{facts.ssh.peer}/{bits}",
        address=facts.ssh.address,
        port=facts.ssh.port,
    )


def _management(wanted: ManagementFlow, own: tuple[str, ...]) -> Iterator[Flow]:
    family = family_of(wanted.source)
    targets = (wanted.address,) if wanted.address else own
    for address in targets:
        if family_of(address) is family:
            yield Flow(
                name="a connection of management_flows",
                protocol=wanted.protocol,
                source=wanted.source,
                address=address,
                port=wanted.port,
            )


def _sshd(socket: Listening, own: tuple[str, ...]) -> Iterator[Flow]:
    for address in own:
        family = family_of(address)
        if socket.address in {"", address} or _WHOLE_FAMILY.get(socket.address) is family:
            yield Flow(
                name="connections to the node's sshd",
                protocol=Protocol.TCP,
                source=_EVERYBODY[family],
                address=address,
                port=socket.port,
            )


def is_from_everybody(flow: Flow) -> bool:
    """Whether the flow's source is any address at all."""
    return ipaddress.ip_network(flow.source).prefixlen == 0
