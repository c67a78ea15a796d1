"""What a lab should be: plain values, no I/O."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from svcform.lab import addresses

#: Files in a lab's folder: what runs, its inventory, its supervisor's ear, the key that logs in.
STATE = "lab.json"
INVENTORY = "inventory.yml"
CONTROL = "control"
CLIENT_KEY = "id_ed25519"


class Listen(NamedTuple):
    """A port on which an endpoint answers."""

    protocol: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSpec:
    """One node of a lab.

    ``forward_policy`` is that of iptables' FORWARD; ``foreign_drop`` adds a foreign nftables table
    whose forward hook drops everything.  ``become_password`` is what sudo wants of ``user``, None
    for nothing.  ``missing_tools`` are names of programs that the node does not have.
    ``init`` is what runs the node: ``lab``, a process of the lab's that only collects the dead and
    writes the syslog, or ``systemd``, this machine's own.  ``packages`` is a folder with unpacked
    packages that the node has beside this machine's programs, None for no more.
    ``sysctls`` maps dotted names to values that the node starts with.
    """

    name: str
    ssh: bool = True
    user: str = "ops"
    become_password: str | None = None
    forward_policy: str = "ACCEPT"
    foreign_drop: bool = False
    default_route: bool = True
    missing_tools: tuple[str, ...] = ()
    init: Literal["lab", "systemd"] = "lab"
    packages: str | None = None
    sysctls: tuple[tuple[str, str], ...] = ()
    variables: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSpec:
    """A network namespace behind a node, that answers on its ports with who it is.

    Without ``addresses`` it gets the next ones of its node's pod CIDRs.
    """

    name: str
    node: str
    addresses: tuple[str, ...] = ()
    listens: tuple[Listen, ...] = (
        Listen("TCP", 8080),
        Listen("UDP", 8080),
        Listen("SCTP", 8080),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LabSpec:
    """A lab: its folder, its nodes in order (that sets their addresses), and its endpoints."""

    directory: Path
    nodes: tuple[NodeSpec, ...]
    endpoints: tuple[EndpointSpec, ...] = ()

    def number(self, node: str) -> int:
        """The node's number, from 1."""
        return [n.name for n in self.nodes].index(node) + 1


def with_addresses(spec: LabSpec) -> tuple[EndpointSpec, ...]:
    """The endpoints, each with addresses."""
    used: dict[str, int] = {}
    result = []
    for endpoint in spec.endpoints:
        index = used.get(endpoint.node, 0)
        used[endpoint.node] = index + 1
        own = endpoint.addresses or addresses.pod_addresses(spec.number(endpoint.node), index)
        result.append(
            EndpointSpec(
                name=endpoint.name,
                node=endpoint.node,
                addresses=own,
                listens=endpoint.listens,
            )
        )
    return tuple(result)


def to_json(spec: LabSpec) -> dict[str, Any]:
    """As plain values for JSON."""
    return {**asdict(spec), "directory": str(spec.directory)}


def from_json(raw: dict[str, Any]) -> LabSpec:
    """The opposite of :func:`to_json`."""
    nodes = tuple(
        NodeSpec(
            **{
                **node,
                "missing_tools": tuple(node["missing_tools"]),
                "sysctls": tuple((k, v) for k, v in node["sysctls"]),
                "variables": tuple((k, v) for k, v in node["variables"]),
            }
        )
        for node in raw["nodes"]
    )
    endpoints = tuple(
        EndpointSpec(
            name=endpoint["name"],
            node=endpoint["node"],
            addresses=tuple(endpoint["addresses"]),
            listens=tuple(Listen(*listen) for listen in endpoint["listens"]),
        )
        for endpoint in raw["endpoints"]
    )
    return LabSpec(directory=Path(raw["directory"]), nodes=nodes, endpoints=endpoints)


def embedded(directory: Path, endpoints: int = 3) -> LabSpec:
    """One node without SSH, with endpoints behind it: what ``make demo`` runs on."""
    return LabSpec(
        directory=directory,
        nodes=(NodeSpec(name="node-1", ssh=False),),
        endpoints=tuple(
            EndpointSpec(name=f"endpoint-{i + 1}", node="node-1") for i in range(endpoints)
        ),
    )


def cluster(directory: Path, nodes: int = 3, endpoints: int = 1) -> LabSpec:
    """Nodes that are reached over SSH, with some endpoints behind each."""
    names = tuple(f"node-{i + 1}" for i in range(nodes))
    return LabSpec(
        directory=directory,
        nodes=tuple(NodeSpec(name=name) for name in names),
        endpoints=tuple(
            EndpointSpec(name=f"endpoint-{name.removeprefix('node-')}-{i + 1}", node=name)
            for name in names
            for i in range(endpoints)
        ),
    )
