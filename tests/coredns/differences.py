"""Where static zones may answer otherwise than the kubernetes plugin: each class with its proof.

A class is told by what was asked, by what the zones have and by both answers, never by less.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from svcform.model.zone import Zone
from tests.coredns.asking import Answer, Question

_ADDRESSES = {"A", "AAAA"}


class Served:
    """What the zones have: types by name.  Names with nothing but others below are there, too."""

    def __init__(self, zones: Sequence[Zone]) -> None:
        self.origins = frozenset(zone.origin for zone in zones)
        self.forward = zones[0].origin
        self.types: dict[str, set[str]] = {}
        self.servers = {
            name for found in zones[0].records if found.type == "NS" for name in found.rdatas
        }
        for zone in zones:
            self.types.setdefault(zone.origin, set()).add("SOA")
            for found in zone.records:
                self.types.setdefault(found.name, set()).add(found.type)
                parent = found.name
                while parent != zone.origin:
                    parent = parent.partition(".")[2]
                    self.types.setdefault(parent, set())


class _Case:
    """One question about a world, and both answers."""

    def __init__(self, served: Served, asked: Question, theirs: Answer, ours: Answer) -> None:
        self.served, self.theirs, self.ours = served, theirs, ours
        self.typed, self.type = asked.name, asked.type
        self.name = asked.name.lower()
        #: What the zones have at the name; None where it does not exist.
        self.there = served.types.get(self.name)


def _letter_case(case: _Case) -> bool:
    # The plugin knows its zones' name servers in lower case only (plugin/kubernetes/ns.go).
    own = case.name == f"ns.dns.{case.served.forward}" and case.theirs.rcode == "NXDOMAIN"
    apex = (case.name, case.type) == (case.served.forward, "NS") and case.theirs.is_nodata
    return case.typed != case.name and (own or apex) and case.ours.rcode == "NOERROR"


def _exists(case: _Case) -> bool:
    if case.theirs.rcode != "NXDOMAIN" or not case.ours.is_nodata or case.there is None:
        return False
    is_apart = case.name.startswith("dns-version.") or case.name.endswith(".arpa.")
    return (
        not case.there - {"SOA", "NS"} or is_apart or case.name == f"ns.dns.{case.served.forward}"
    )


def _anchor(case: _Case) -> bool:
    return (
        case.name.startswith("_nodata.")
        and case.there is not None
        and case.theirs.rcode == "NXDOMAIN"
        and case.ours.rcode == "NOERROR"
    )


def _soa_of_missing(case: _Case) -> bool:
    return (
        case.type == "SOA"
        and case.there is None
        and case.theirs.is_nodata
        and case.ours.rcode == "NXDOMAIN"
    )


def _no_underscores(case: _Case) -> bool:
    port, protocol, rest = (*case.name.split(".", 2), "")[:3]
    return (
        f"_{port.lstrip('_')}._{protocol.lstrip('_')}.{rest}" in case.served.types
        and case.there is None
        and case.theirs.rcode == "NOERROR"
        and case.ours.rcode == "NXDOMAIN"
    )


def _addresses_at_ports(case: _Case) -> bool:
    return (
        case.type in _ADDRESSES
        and case.name.startswith("_")
        and case.there == {"SRV"}
        and case.theirs.types() == {case.type}
        and case.ours.is_nodata
    )


def _alias_for_every_type(case: _Case) -> bool:
    return (
        case.there == {"CNAME"}
        and case.type not in {*_ADDRESSES, "CNAME"}
        and case.theirs.is_nodata
        and "CNAME" in case.ours.types()
    )


def _alias_without_data(case: _Case) -> bool:
    return (
        case.there == {"CNAME"}
        and case.type in _ADDRESSES
        and case.theirs.is_nodata
        and case.ours.rcode == "NOERROR"
        and case.ours.types() == {"CNAME"}
        and case.ours.soa == ""
    )


def _target_outside_fails(case: _Case) -> bool:
    return (
        case.there == {"CNAME"}
        and case.type in _ADDRESSES
        and (case.theirs.rcode, case.theirs.types()) == ("NOERROR", {"CNAME"})
        and case.ours.rcode in {"NXDOMAIN", "SERVFAIL", "REFUSED"}
        and case.ours.answer == case.theirs.answer
    )


def _target_outside_has_no_data(case: _Case) -> bool:
    return (
        case.there == {"CNAME"}
        and case.ours[:2] == case.theirs[:2]
        and case.ours.types() == {"CNAME"}
        and (case.theirs.soa, case.ours.soa) == ("", case.served.forward)
    )


def _servers_behind_a_service(case: _Case) -> bool:
    servers = case.served.servers
    own = f"ns.dns.{case.served.forward}"
    if own in servers:
        return False
    if (case.name, case.type) == (case.served.forward, "NS") or case.name == own:
        return case.theirs.answer < case.ours.answer
    return (
        any(name == case.name or name.endswith(f".{case.name}") for name in servers)
        and case.theirs.rcode == "NXDOMAIN"
        and case.ours.rcode == "NOERROR"
    )


def _servers_of_reverse_zones(case: _Case) -> bool:
    # The plugin has names below the reverse zone, and none for a zone in mixed case.
    return (
        case.type == "NS"
        and case.name in case.served.origins - {case.served.forward}
        and case.theirs.rcode == case.ours.rcode == "NOERROR"
        and case.ours.types() == {"NS"}
        and all(record[3].endswith(f".{case.served.forward}") for record in case.ours.answer)
    )


def _alias_to_nowhere(case: _Case) -> bool:
    return (
        case.type == "CNAME"
        and f"_nodata.{case.name}" in case.served.types
        and case.theirs.types() == {"CNAME"}
        and case.ours.is_nodata
    )


def _zonal_without_endpoints(case: _Case) -> bool:
    _, how, label, service = (*case.name.split(".", 3), "", "")[:4]
    return (
        (how, label) in {("pin", "_zone"), ("prefer", "_zone")}
        and service not in case.served.types
        and case.theirs.is_nodata
        and case.ours.rcode == "NXDOMAIN"
    )


def _glue_is_by_name(case: _Case) -> bool:
    ours, theirs = case.ours, case.theirs
    return (ours.answer, ours.rcode) == (theirs.answer, theirs.rcode) and theirs.extra < ours.extra


_Rule = tuple[str, Callable[[_Case], bool]]
#: By the beginning of the row in the backend's README.
RULES: tuple[_Rule, ...] = (
    ("a name in mixed case", _letter_case),
    ("a name below which names exist", _exists),
    ("`_nodata` names", _anchor),
    ("SOA of a name that does not exist", _soa_of_missing),
    ("`http.tcp.web…` without underscores", _no_underscores),
    ("A at `_http._tcp.web…`", _addresses_at_ports),
    ("ExternalName, other types", _alias_for_every_type),
    ("in-zone target without AAAA", _alias_without_data),
    ("target outside that fails", _target_outside_fails),
    ("SRV where slices have different ports", _glue_is_by_name),
    ("target outside without AAAA", _target_outside_has_no_data),
    ("name servers behind a headless Service", _servers_behind_a_service),
    ("NS of a reverse zone", _servers_of_reverse_zones),
    ("CNAME of an ExternalName that leads nowhere", _alias_to_nowhere),
    ("zonal names of a headless Service without ready endpoints", _zonal_without_endpoints),
)


def differences(served: Served, asked: Question, theirs: Answer, ours: Answer) -> Iterator[str]:
    """The class of what is different; a text that begins with ``unknown`` where it is of none."""
    if not _is_same(asked, theirs, ours):
        case = _Case(served, asked, theirs, ours)
        yield next((name for name, holds in RULES if holds(case)), "unknown")


def _is_same(asked: Question, theirs: Answer, ours: Answer) -> bool:
    if (theirs.rcode, theirs.answer, theirs.soa) != (ours.rcode, ours.answer, ours.soa):
        return False
    return asked.type not in {"SRV", "NS"} or theirs.extra == ours.extra
