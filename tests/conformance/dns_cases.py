"""CoreDNS's and the specification's own questions: read, and turned into zones and answers."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import yaml

from svcform.inputs.cluster import objects_of, resolve_services
from svcform.inputs.endpoints import resolve_endpoints
from svcform.inputs.workloads import Placements
from svcform.model.workspace import PodAddress, Workspace
from svcform.model.zone import Zone
from svcform.policy.dns import ZoneRequest, make_zones
from svcform.policy.dns_services import NameRules

FILE = Path(__file__).parents[3] / "shared" / "conformance" / "dns_cases.yaml"

#: Rows that static zones of svcform's don't answer as CoreDNS's plugins do, and why.
DIFFERENT = {
    "pods-insecure": "names of pods that nobody knows are computed from the question",
    "ci-pods-insecure": "names of pods that nobody knows are computed from the question",
    "multicluster": "svcform has one cluster",
    "svc12.testns.example.com. SRV": "an alias is one for every type (RFC 1034)",
    "_http._tcp.svc1.testns.svc.cluster.local. A": "no addresses at names of ports",
    "http.tcp.svc1.testns.svc.cluster.local. SRV": "names of ports have underscores",
    "_tcp.svc1.testns.svc.cluster.local. A": "names exist below it (RFC 8020): NODATA",
    "external.testns.svc.cluster.local. SRV": "an alias is one for every type (RFC 1034)",
    "dns-version.cluster.local. A": "the name exists: NODATA",
    "dns.cluster.local. A": "names exist below it (RFC 8020): NODATA",
}


@dataclass(frozen=True, slots=True)
class Question:
    """One question and what is expected of its answer; records are (name, ttl, type, rdata)."""

    name: str
    type: str
    rcode: str
    answer: frozenset[tuple[str, int, str, str]]
    extra: frozenset[tuple[str, int, str, str]]
    soa: str
    upstream: bool
    reason: str

    def __str__(self) -> str:
        return f"{self.name} {self.type}"


@dataclass(frozen=True, slots=True)
class Case:
    """One case: ``zones`` serve it, ``upstream`` are the lines of what lies outside of them."""

    name: str
    zones: tuple[Zone, ...]
    upstream: tuple[str, ...]
    questions: tuple[Question, ...]
    ignores: frozenset[str]


@cache
def cases() -> tuple[Case, ...]:
    """All cases that have questions; none where the file is not there."""
    if not FILE.is_file():
        return ()
    raw = yaml.load(FILE.read_text(), yaml.CSafeLoader)["cases"]
    return tuple(_case(each) for each in raw if each["questions"] and each["name"] not in DIFFERENT)


def _case(raw: Mapping[str, Any]) -> Case:
    upstream = tuple(line for each in raw.get("upstream") or () for line in each["answer"])
    compare = raw.get("compare") or {}
    return Case(
        name=raw["name"],
        zones=make_zones(_workspace(raw), _request(raw), raw.get("nameserver_ips") or ()).zones,
        upstream=upstream,
        questions=tuple(_question(each, bool(upstream)) for each in raw["questions"]),
        ignores=frozenset(key for key, how in compare.items() if how == "ignore"),
    )


def _workspace(raw: Mapping[str, Any]) -> Workspace:
    objects = objects_of([*raw["services"], *(raw.get("endpointslices") or ())])
    cluster, _ = resolve_services(objects, lenient=True)
    endpoints, _ = resolve_endpoints(cluster.services, {}, objects, Placements())
    pods = [PodAddress(pod["namespace"], pod["ip"]) for pod in raw.get("pods") or ()]
    return Workspace(
        project_id="",
        root="",
        services=cluster.services,
        endpoints=endpoints,
        play_services=(tuple(cluster.services),),
        namespaces=frozenset(raw.get("namespaces_existing") or ()),
        pods=tuple(pods),
    )


def _request(raw: Mapping[str, Any]) -> ZoneRequest:
    options = raw.get("options") or {}
    is_external = raw["plugin"] == "k8s_external"
    own = raw["zones"][0].rstrip(".")
    exposed = raw.get("namespaces_exposed")
    return ZoneRequest(
        plays=(0,),
        domain="cluster.local" if is_external else own,
        external_domain=own if is_external else "",
        ttl=5,
        pods=options.get("pods", "disabled"),
        namespaces=None if exposed is None else tuple(exposed),
        rules=NameRules(
            endpoint_names="all",
            endpoint_pod_names=bool(options.get("endpoint_pod_names")),
            ignore_empty_service=bool(options.get("ignore_empty_service")),
            zonal=bool(options.get("zonal")),
            external_headless=bool(options.get("headless")),
        ),
        service_cidrs=tuple(map(_cidr, raw["zones"][1:])),
        pod_cidrs=(),
    )


def _cidr(zone: str) -> str:
    """The addresses of a reverse zone."""
    labels = zone.rstrip(".").split(".")[:-2][::-1]
    if zone.endswith("in-addr.arpa."):
        return f"{'.'.join([*labels, *['0'] * (4 - len(labels))])}/{8 * len(labels)}"
    labels = zone.rstrip(".").removesuffix("ip6.arpa").rstrip(".").split(".")[::-1]
    digits = "".join(labels)
    number = int(digits.ljust(32, "0"), 16)
    return f"{ipaddress.IPv6Address(number)}/{4 * len(digits)}"


def _question(raw: Mapping[str, Any], has_upstream: bool) -> Question:
    name, kind = raw["qname"], raw["qtype"]
    return Question(
        name=name,
        type=kind,
        rcode=raw["rcode"],
        answer=frozenset(map(_record, raw["answer"] or ())),
        extra=frozenset(map(_record, raw.get("extra") or ())),
        soa=raw.get("soa_owner", "").lower() if raw.get("soa_in_authority") else "",
        upstream=bool(raw.get("needs_upstream"))
        or (has_upstream and any(" CNAME " in line for line in raw["answer"])),
        reason=DIFFERENT.get(name) or DIFFERENT.get(f"{name} {kind}", ""),
    )


def _record(line: str) -> tuple[str, int, str, str]:
    name, ttl, _, kind, rdata = line.split(" ", 4)
    return _plain(name, int(ttl), kind, rdata)


def _plain(name: str, ttl: int, kind: str, rdata: str) -> tuple[str, int, str, str]:
    text = rdata.lower()
    if kind == "SOA":
        words = text.split()
        text = " ".join([*words[:2], "SERIAL", *words[3:]])
    return name.lower(), ttl, kind, text


def _records(section: Sequence[Any]) -> frozenset[tuple[str, int, str, str]]:
    return frozenset(
        _plain(
            found.name.to_text(), found.ttl, dns.rdatatype.to_text(found.rdtype), rdata.to_text()
        )
        for found in section
        for rdata in found
    )


def judge(case: Case, question: Question, seen: dns.message.Message, *, follows: bool) -> str:
    """What is wrong with an answer; empty if nothing is.

    A server that is only authoritative does not follow an alias out of its zones
    (``follows`` false): it answers with the alias.
    """
    found, wanted = _records(seen.answer), question.answer
    rcode = dns.rcode.to_text(seen.rcode())
    if question.upstream and not follows:
        found = frozenset(r for r in found if r[2] == "CNAME")
        wanted = frozenset(r for r in wanted if r[2] == "CNAME")
    elif rcode != question.rcode:
        return f"{question}: {rcode}, not {question.rcode}"
    if _shown(case, found) != _shown(case, wanted):
        return f"{question}: {sorted(found)}, not {sorted(wanted)}"
    missing = _shown(case, question.extra) - _shown(case, _records(seen.additional))
    if missing:
        return f"{question}: without the addresses {sorted(missing)}"
    owners = {r[0] for r in _records(seen.authority) if r[2] == "SOA"}
    if question.soa and owners != {question.soa}:
        return f"{question}: the SOA of {owners}, not {question.soa}"
    return "" if seen.flags & dns.flags.AA or question.upstream else f"{question}: no AA"


def _shown(
    case: Case, records: frozenset[tuple[str, int, str, str]]
) -> frozenset[tuple[str, int, str, str]]:
    """The records without what a case doesn't compare; TTL 303 means "don't care" upstream."""
    shown = records
    if "ttl" in case.ignores:
        shown = frozenset((name, 0, kind, rdata) for name, _, kind, rdata in shown)
    if "srv_priority_weight" in case.ignores:
        shown = frozenset(
            (n, ttl, k, " ".join(r.split()[2:]) if k == "SRV" else r) for n, ttl, k, r in shown
        )
    return shown
