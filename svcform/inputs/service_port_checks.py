"""The API server's rules for the ports of a Service."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from svcform.diagnostics import Diagnostic, Severity
from svcform.inputs.manifests import RawObject
from svcform.inputs.services import cluster_ips_of, key_of

_label = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?").fullmatch
# IANA's rule for names of services (RFC 6335 section 5.1), as Kubernetes asks of containerPorts.
_port_name = re.compile(r"(?=.{1,15}$)(?!.*--)(?=.*[a-z])[a-z0-9](?:[-a-z0-9]*[a-z0-9])?").fullmatch

Path = tuple[str | int, ...]


def check_ports(item: RawObject, broken: Collection[int] = ()) -> Iterator[Diagnostic]:
    """Everything that the API server would refuse in the ports but those of ``broken``."""
    spec = item.value["spec"]
    ports = spec.get("ports") or []
    kind = spec.get("type") or "ClusterIP"
    headless = cluster_ips_of(spec) == ["None"]
    if not ports and not headless and kind != "ExternalName":
        yield _wrong(item, ("spec",), "it has no ports; give it at least one.")
    sound = [(n, port) for n, port in enumerate(ports) if n not in broken]
    for number, port in sound:
        for field, detail in _port(port, kind, many=len(ports) > 1):
            yield _wrong(item, ("spec", "ports", number, *field), detail)
    yield from _twice(item, sound)


def _wrong(item: RawObject, path: Path, detail: str) -> Diagnostic:
    return Diagnostic(
        "SVC203",
        Severity.ERROR,
        "The API server would refuse this port",
        f"Service {key_of(item)}: {detail}",
        item.origin.at(*path),
    )


def _port(port: Mapping[str, Any], kind: str, *, many: bool) -> Iterator[tuple[Path, str]]:
    name = port.get("name") or ""
    if many and not name:
        yield (), f"port {port['port']} needs a name, because there are several ports."
    elif name and not _label(name):
        yield ("name",), f"the port's name {name!r} is no DNS label (lower case, digits, '-')."
    target = port.get("targetPort")
    if isinstance(target, str) and target and not _port_name(target):
        detail = (
            f"targetPort {target!r} is no name of a port: at most 15 lower case letters, digits "
            "and '-', at least one letter. A number stands without quotes."
        )
        yield ("targetPort",), detail
    elif isinstance(target, int | float) and not 0 <= target <= 65535:
        yield ("targetPort",), f"targetPort {target} is not from 1 to 65535."
    if port.get("nodePort") and kind not in ("NodePort", "LoadBalancer"):
        detail = f"nodePort {port['nodePort']} needs type NodePort or LoadBalancer, not {kind}."
        yield ("nodePort",), detail


def _twice(item: RawObject, ports: list[tuple[int, Mapping[str, Any]]]) -> Iterator[Diagnostic]:
    seen: dict[tuple[str, Any, str], int] = {}
    for number, port in ports:
        protocol = port.get("protocol") or "TCP"
        for field, value, scope in (
            ("name", port.get("name"), ""),
            ("port", port["port"], protocol),
            ("nodePort", port.get("nodePort"), protocol),
        ):
            if not value:
                continue
            before = seen.setdefault((field, value, scope), number)
            if before != number:
                detail = f"{field} {value}{'/' + scope if scope else ''} is there twice."
                yield _wrong(item, ("spec", "ports", number, field), detail)
