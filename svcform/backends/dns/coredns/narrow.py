"""Zones of which only some Services' names change: ``--target``."""

from __future__ import annotations

from collections.abc import Callable

from svcform.backends.dns.coredns.objects import Running
from svcform.model.zone import RecordSet
from svcform.plan.snapshot import NodeObject, Snapshot
from svcform.policy.dns_names import enclosing


def narrow(
    live: Snapshot, wanted: Snapshot, is_targeted: Callable[[str], bool], *, destroy: bool
) -> Snapshot:
    """What is live, with the targeted Services' record sets as wanted, or (destroy) without them.

    Zones, files and the service stay as they are; a node that serves nothing yet goes on so.
    """
    if Running().address not in live or not wanted:
        return live
    zones = frozenset(address.path[0] for address in live if len(address.path) == 3)
    kept = {a: found for a, found in live.items() if not _is_chosen(found, zones, is_targeted)}
    kept.update(
        (address, found)
        for address, found in ({} if destroy else wanted).items()
        if address.path[0] in zones and _is_chosen(found, zones, is_targeted)
    )
    return kept


def _is_chosen(
    found: NodeObject, zones: frozenset[str], is_targeted: Callable[[str], bool]
) -> bool:
    if not isinstance(found, RecordSet):
        return False
    name = found.rdatas[0] if found.type == "PTR" else found.name
    service = _service(name, enclosing(name, zones) or "")
    return bool(service) and is_targeted(service)


def _service(name: str, origin: str) -> str:
    """``namespace/name`` of the Service that a name is of, or empty."""
    # The zone's own name may have a label "svc", too.
    labels = name.removesuffix(f".{origin}").removesuffix(".svc").split(".")
    return f"{labels[-1]}/{labels[-2]}" if len(labels) > 1 else ""
