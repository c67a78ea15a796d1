"""The table of Services, in the columns of ``kubectl get svc``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from svcform.plan.services import ServiceRow
from svcform.views.text import columns, joined, shorten

_HEAD = (
    "NAMESPACE", "NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "ENDPOINTS", "NODES",
)  # fmt: skip
_NONE = "<none>"


@dataclass(slots=True)
class _Entry:
    """One Service while its rows come together."""

    cluster_ips: dict[str, None] = field(default_factory=dict)
    external: dict[str, None] = field(default_factory=dict)
    kinds: set[str] = field(default_factory=set)
    ports: dict[str, None] = field(default_factory=dict)
    endpoints: dict[str, None] = field(default_factory=dict)
    nodes: dict[str, None] = field(default_factory=dict)


def _split(text: str) -> tuple[str, str, str]:
    """``ClusterIP 10.96.0.1:80`` as kind, address and port."""
    kind, _, rest = text.partition(" ")
    address, _, port = rest.rpartition(":")
    return kind, address.strip("[]"), port


def _collect(tables: Mapping[str, Iterable[ServiceRow]]) -> dict[tuple[str, str], _Entry]:
    entries: dict[tuple[str, str], _Entry] = {}
    for node, rows in tables.items():
        for row in rows:
            namespace, _, rest = row.name.partition("/")
            entry = entries.setdefault((namespace, rest.partition(":")[0]), _Entry())
            entry.nodes[node] = None
            entry.endpoints.update(dict.fromkeys(row.endpoints))
            _add_frontends(entry, row)
    return entries


def _add_frontends(entry: _Entry, row: ServiceRow) -> None:
    parts = [_split(text) for text in row.frontends]
    node_port = next((port for kind, _, port in parts if kind == "NodePort"), "")
    for kind, address, port in parts:
        entry.kinds.add(kind)
        if kind == "ClusterIP":
            entry.cluster_ips[address] = None
            pair = f"{port}:{node_port}" if node_port else port
            entry.ports[f"{pair}/{row.protocol}"] = None
        elif kind != "NodePort":
            entry.external[address] = None
    if not entry.ports:
        entry.ports.update({f"{port}/{row.protocol}": None for _, _, port in parts[:1]})


def _type(entry: _Entry) -> str:
    for kind in ("LoadBalancer", "NodePort"):
        if kind in entry.kinds:
            return kind
    return "ClusterIP"


def services_text(tables: Mapping[str, Iterable[ServiceRow]]) -> str:
    """The table of ``node -> rows``; a sentence where there is no Service."""
    entries = _collect(tables)
    if not entries:
        return "No Services.\n"
    rows: list[tuple[str, ...]] = [_HEAD]
    for (namespace, name), entry in sorted(entries.items()):
        rows.append(
            (
                namespace,
                name,
                _type(entry),
                ",".join(entry.cluster_ips) or _NONE,
                ",".join(entry.external) or _NONE,
                ",".join(entry.ports),
                shorten(list(entry.endpoints), 3).replace(", ", ",") or _NONE,
                str(len(entry.nodes)),
            )
        )
    return joined(columns(rows))


def services_json(tables: Mapping[str, Iterable[ServiceRow]]) -> list[Mapping[str, Any]]:
    """One JSON object for each Service, with the nodes that have it."""
    return [
        {
            "namespace": namespace,
            "name": name,
            "type": _type(entry),
            "cluster_ips": list(entry.cluster_ips),
            "external_ips": list(entry.external),
            "ports": list(entry.ports),
            "endpoints": sorted(entry.endpoints),
            "nodes": sorted(entry.nodes),
        }
        for (namespace, name), entry in sorted(_collect(tables).items())
    ]
