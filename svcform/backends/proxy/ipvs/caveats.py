"""What keeps packets from ours: found before the apply.

Foreign virtual services where ours are to be, or that look like ours, and how the node checks
where packets come from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from svcform.backends.contract import Reading
from svcform.backends.proxy.ipvs.observe import all_services, caught_of, known_services, known_sets
from svcform.diagnostics import Diagnostic, Severity
from svcform.lang.ipset.save import Saved, mark_of
from svcform.lang.ipvs.listing import Found
from svcform.lang.ipvs.service import AddressService, Caught, MarkedService
from svcform.model.facts import Facts
from svcform.model.net import Family, endpoint_text
from svcform.policy import marks
from svcform.policy.intent import Frontend, Intent
from svcform.policy.node_addresses import resolve

_SRC_VALID_MARK = re.compile(r"net\.ipv4\.conf\.(.+)\.src_valid_mark")
#: What of those names is no link that clients come through.
_NO_LINKS = frozenset({"default", "lo"})


def caveats(
    readings: Mapping[str, Reading], facts: Facts, intent: Intent
) -> tuple[Diagnostic, ...]:
    """All that stands in the way."""
    sets = known_sets(readings)
    known = list(known_services(readings, sets))
    ours = {caught for caught, _ in known}
    foreign = {caught_of(place, found) for place, found in all_services(readings).items()} - ours
    taken = {found for found in foreign if isinstance(found, AddressService)}
    lookalikes = _unknown(known, sets, intent)
    return (
        *(_taken(taken, facts, intent) if taken else ()),
        *lookalikes,
        *_validated_by_mark(facts, intent),
    )


def _unknown(
    known: Iterable[tuple[Caught, Found]], sets: Mapping[str, Saved], intent: Intent
) -> Iterator[Diagnostic]:
    """What has a mark like ours and takes connections, though none of our sets leads there."""
    wanted = frozenset(marks.marks_of(intent.common, intent.own).by_name.values())
    left = [
        caught
        for caught, found in known
        if isinstance(caught, MarkedService)
        and found.servers
        and caught.mark & marks.PORT not in wanted
    ]
    led = _led(sets) if left else frozenset()
    for caught in left:
        if caught.mark & marks.PORT not in led:
            yield _looks_like_ours(caught, intent.node_name)


def _led(sets: Mapping[str, Saved]) -> frozenset[int]:
    """The numbers of Service ports that elements lead to."""
    found = (mark_of(text) for saved in sets.values() for text in saved.elements)
    return frozenset(mark & marks.PORT for mark in found if mark is not None)


def _looks_like_ours(caught: MarkedService, node: str) -> Diagnostic:
    return Diagnostic(
        "SVC424",
        Severity.WARNING,
        "A virtual service has a mark of svcform's, and nothing leads there",
        f"{node} has a virtual service {caught.write()} in IPVS, whose mark is one of svcform's, "
        "but no set of svcform's leads to it: svcform removes it. If it is somebody else's, give "
        "it a mark outside of 0x40000000 to 0x7fffffff.",
    )


def _taken(foreign: set[AddressService], facts: Facts, intent: Intent) -> Iterator[Diagnostic]:
    node_port = resolve(intent.settings, facts, intent.connection_host).node_port
    for group in (intent.common, intent.own):
        for port in group.ports:
            for frontend in port.frontends:
                found = _at(foreign, frontend, node_port[port.family])
                if found is not None:
                    yield _found(found, port.name, intent.node_name, frontend)


def _at(
    foreign: set[AddressService], frontend: Frontend, node_port: tuple[str, ...]
) -> AddressService | None:
    addresses = node_port if frontend.address is None else (frontend.address,)
    for each in foreign:
        place = (each.protocol, each.port)
        if each.address in addresses and place == (frontend.protocol.value, frontend.port):
            return each
    return None


def _found(found: AddressService, name: str, node: str, frontend: Frontend) -> Diagnostic:
    where = endpoint_text(found.address, found.port)
    is_sticky = marks.is_sticky(frontend.routes[-1])
    what = "svcform's marks come first, and it gets nothing there any more"
    if is_sticky:
        what = "with session affinity svcform needs one of its own there"
    return Diagnostic(
        "SVC422",
        Severity.ERROR if is_sticky else Severity.WARNING,
        "Somebody else has a virtual service where a Service is to be",
        f"{node} has a virtual service {found.protocol.lower()} {where} in IPVS that is not "
        f"svcform's, and {name} is to be there, too: {what}. Remove the one or the other.",
    )


def _validated_by_mark(facts: Facts, intent: Intent) -> Iterator[Diagnostic]:
    """The way to a client, looked up with our mark, is the node itself: a martian."""
    links = sorted(
        found[1]
        for name, value in facts.sysctls.items()
        if value == "1" and (found := _SRC_VALID_MARK.fullmatch(name))
    )
    links = ["all"] if "all" in links else [link for link in links if link not in _NO_LINKS]
    groups = (intent.common, intent.own)
    if links and any(port.family is Family.IPV4 for group in groups for port in group.ports):
        names = ", ".join(f"net.ipv4.conf.{link}.src_valid_mark" for link in links)
        yield Diagnostic(
            "SVC425",
            Severity.ERROR if links == ["all"] else Severity.WARNING,
            "The kernel drops clients' packets, which it checks with their mark",
            f"{intent.node_name} has {names}=1, as wg-quick sets it for a tunnel that takes "
            "everything: the kernel looks up the way back to a client with the mark that leads "
            "its packet to a Service, and drops it. Set it to 0, or choose another proxy_mode.",
        )
