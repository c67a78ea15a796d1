"""What must not have moved between plan and apply, and what it looked like in the reading."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from svcform.backends.proxy.iptables.objects import (
    BACKEND,
    FAMILY_WORDS,
    PREFIX,
    Chain,
    Jumps,
    Variant,
)
from svcform.backends.proxy.iptables.scripts import FINGERPRINT
from svcform.plan.diff import Change
from svcform.plan.snapshot import NodeObject, ObjectAddress, Snapshot
from svcform.program.program import Fingerprint


def fingerprint(changes: Sequence[Change], live: Snapshot) -> Fingerprint:
    """Covers the changed chains, the jumps to ours, and the chains that either refers to."""
    addresses = sorted(_covered(changes, live), key=_place)
    texts = [" ".join(address.path) for address in addresses]
    expected: list[str] = []
    for address, text in zip(addresses, texts, strict=True):
        found = live.get(address)
        expected.append(f"{'-' if found is None else '+'} {text}")
        # As the tool printed them: the node compares text, whatever the version.
        expected += found.rules if isinstance(found, Chain | Jumps) else ()
    return Fingerprint(
        backend=BACKEND,
        script=FINGERPRINT,
        operands=_encode(texts),
        expected=_encode(expected),
    )


def _covered(changes: Sequence[Change], live: Snapshot) -> set[ObjectAddress]:
    covered = {change.address for change in changes}
    for change in changes:
        covered.update(_referred(change.address, change.before, change.after))
    families = {change.address.path[:2] for change in changes}
    for where, found in live.items():
        # Where no packet comes any more nothing that changes behind it is of use.
        if isinstance(found, Jumps) and where.path[:2] in families:
            covered |= {where, *_referred(where, found)}
    return covered


def _referred(where: ObjectAddress, *objects: NodeObject | None) -> Iterator[ObjectAddress]:
    for found in objects:
        if isinstance(found, Chain | Jumps):
            for rule in found.rules:
                flag, _, chain = rule.rpartition(" ")
                if chain.startswith(PREFIX) and flag.endswith(("-j", "-g")):
                    yield ObjectAddress(BACKEND, (*where.path[:3], chain))


def _place(address: ObjectAddress) -> tuple[int, int, str, str]:
    """The order in which the script prints: by variant and family as it walks them."""
    variant, family, table, chain = address.path
    variants = [v.value for v in Variant]
    families = list(FAMILY_WORDS.values())
    return (variants.index(variant), families.index(family), table, chain)


def _encode(lines: Sequence[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
