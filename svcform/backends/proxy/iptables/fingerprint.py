"""What must not have moved between plan and apply, and what it looked like in the reading."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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
    """Covers the changed chains, those that they refer to, and the jumps to ours."""
    addresses = sorted(_covered(changes), key=_place)
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


def _covered(changes: Sequence[Change]) -> set[ObjectAddress]:
    covered = set()
    for change in changes:
        covered.add(change.address)
        place = change.address.path[:3]
        for chain in _referred(change.before, change.after):
            covered.add(ObjectAddress(BACKEND, (*place, chain)))
    return covered


def _referred(*objects: NodeObject | None) -> Iterable[str]:
    for found in objects:
        if isinstance(found, Chain | Jumps):
            for rule in found.rules:
                flag, _, chain = rule.rpartition(" ")
                if chain.startswith(PREFIX) and flag.endswith(("-j", "-g")):
                    yield chain


def _place(address: ObjectAddress) -> tuple[int, int, str, str]:
    """The order in which the script prints: by variant and family as it walks them."""
    variant, family, table, chain = address.path
    variants = [v.value for v in Variant]
    families = list(FAMILY_WORDS.values())
    return (variants.index(variant), families.index(family), table, chain)


def _encode(lines: Sequence[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
