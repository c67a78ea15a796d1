"""Where the replicas of a play's workloads run."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from svcform.diagnostics import Diagnostic, Origin, Severity
from svcform.inputs.playbook import WrittenPlay
from svcform.inputs.settings import nearest
from svcform.model.service import NamespacedName


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where one replica of a workload runs: on ``node``, or at ``address``, or both.

    ``10.244.1.5@edge-1`` has both, ``edge-1`` only a node, ``10.244.1.5`` only an address.
    """

    address: str | None = None
    node: str | None = None
    origin: Origin = field(default=Origin(""), compare=False)


class _BadPlace(Exception):
    pass


def read_placements(
    play: WrittenPlay, hosts: Collection[str]
) -> tuple[Mapping[NamespacedName, tuple[Placement, ...]], list[Diagnostic]]:
    """The placements of each workload; ``hosts`` are the names in the inventory."""
    placed: dict[NamespacedName, tuple[Placement, ...]] = {}
    problems: list[Diagnostic] = []
    for name, texts in play.workloads.items():
        found: dict[tuple[str | None, str | None], Placement] = {}
        for position, text in enumerate(texts):
            path = (play.number, "workloads", name, position)
            try:
                address, node = _read_place(text, hosts, found)
            except _BadPlace as error:
                where = play.document.location(*path)
                problems.append(
                    Diagnostic(
                        "SVC134", Severity.ERROR, "A replica has no place", str(error), where
                    )
                )
                continue
            origin = play.document.origin(*path)
            found[address, node] = Placement(address=address, node=node, origin=origin)
        placed[NamespacedName(*name.split("/"))] = tuple(found.values())
    return placed, problems


def _read_place(
    text: str, hosts: Collection[str], taken: Collection[tuple[str | None, str | None]]
) -> tuple[str | None, str | None]:
    place = (None, text) if text in hosts else _split_place(text, hosts)
    if place in taken:
        raise _BadPlace(f"{text} is there twice: two replicas can't share one place.")
    return place


def _split_place(text: str, hosts: Collection[str]) -> tuple[str | None, str | None]:
    written, at, node = text.partition("@")
    address = _address(written)
    if address is None and not at:
        raise _BadPlace(_unknown(text, hosts))
    if address is None:
        raise _BadPlace(f"{text!r} must be `ADDRESS@NODE`; {written!r} is no IP address.")
    if at and node not in hosts:
        raise _BadPlace(_unknown(node, hosts))
    return address, node or None


def _unknown(name: str, hosts: Collection[str]) -> str:
    meant = nearest(name, hosts) if len(hosts) <= 5000 else None
    hint = f" Did you mean {meant}?" if meant else ""
    return f"{name!r} is neither an address nor a host of the inventory.{hint}"


def _address(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None
