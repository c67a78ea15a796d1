"""What can be wrong with given, kept and allocated values, in words."""

from __future__ import annotations

from collections.abc import Sequence

from svcform.diagnostics import Diagnostic, Severity
from svcform.model.service import Service
from svcform.policy.slots import Slot, SlotKind

_SETTINGS = {
    SlotKind.CLUSTER_IP: "spec.clusterIP",
    SlotKind.NODE_PORT: "nodePort",
    SlotKind.LOAD_BALANCER_IP: "spec.loadBalancerIP",
}


def no_range(slot: Slot) -> Diagnostic:
    """There is nothing to allocate from."""
    return Diagnostic(
        "SVC301",
        Severity.ERROR,
        "There is no range to allocate from",
        f"{_whose(slot)} has to be allocated, but {slot.source} has no range for it. Set "
        f"{slot.source} in the play's vars, or {_SETTINGS[slot.kind]} in the manifest.",
        slot.service.origin,
    )


def exhausted(slot: Slot) -> Diagnostic:
    """All of the range is taken."""
    return Diagnostic(
        "SVC302",
        Severity.ERROR,
        "The range is exhausted",
        f"{_whose(slot)} can't be allocated: all {slot.numbers.size} of {slot.source} are taken. "
        f"Widen {slot.source}, or remove Services.",
        slot.service.origin,
    )


def clash(slot: Slot, other: Slot) -> Diagnostic:
    """Two Services have the same value; shown at ``slot``, naming ``other``."""
    value = slot.given or slot.locked
    where = slot.origin if slot.given else slot.locked_at
    other_file = other.origin.file if other.given else str(other.locked_at)
    mend = "Give one of the two another value."
    if not (slot.given and other.given):
        mend = (
            "Remove the value of one of the two from the lock file to have another allocated, "
            "or give it another in its manifest."
        )
    whose = f"both {slot.service.key} and {other.service.key} ({other_file})"
    if slot.service is other.service:
        whose = f"two ports of {slot.service.key}"
    return Diagnostic(
        "SVC303",
        Severity.ERROR,
        "Two Services have the same value",
        f"{value} is the {slot.kind.value} of {whose}. {mend}",
        where,
    )


def outside(slot: Slot) -> Diagnostic:
    """A given or kept value is not in its range (any more)."""
    if slot.given:
        return Diagnostic(
            "SVC304",
            Severity.ERROR,
            "A value is outside its range",
            f"{_whose(slot)} is {slot.given}, which is not in {slot.source}. Choose one that is, "
            "or leave it out to have one allocated.",
            slot.origin,
        )
    return Diagnostic(
        "SVC304",
        Severity.ERROR,
        "A value is outside its range",
        f"{_whose(slot)} is {slot.locked} in the lock file, which is not in {slot.source} any "
        f"more. Widen {slot.source}, or remove the value from the lock file to have another "
        "allocated; that cuts the Service's clients off its old address.",
        slot.locked_at,
    )


def renumbered(slot: Slot) -> Diagnostic:
    """The manifest now gives another value than was allocated."""
    return Diagnostic(
        "SVC305",
        Severity.WARNING,
        "A Service gets another value",
        f"{_whose(slot)} changes from {slot.locked} to {slot.given}. Where it is live, the plan "
        "is refused without --allow-renumber.",
        slot.origin,
    )


def unannounced(services: Sequence[Service]) -> Diagnostic:
    """Load-balancer addresses that are on the nodes, but that nobody announces."""
    names = ", ".join(str(service.key) for service in services[:3])
    more = f" and {len(services) - 3} more" if len(services) > 3 else ""
    return Diagnostic(
        "SVC306",
        Severity.WARNING,
        "Nobody announces a load-balancer address",
        f"The nodes answer for the load-balancer addresses of {names}{more}, but svcform doesn't "
        "announce them: route them to the nodes, or set them up on your router.",
        services[0].origin,
    )


def _whose(slot: Slot) -> str:
    if slot.kind is SlotKind.NODE_PORT:
        return f"The nodePort of {slot.service.key} port {slot.seed.rsplit(' ', 1)[1]}"
    family = slot.seed.rsplit(" ", 1)[1]
    return f"The {family} {slot.kind.value} of {slot.service.key}"
