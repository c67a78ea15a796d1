"""What on a node would keep this mode from working: found before the apply, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from svcform.backends.contract import Probe, Reading
from svcform.backends.proxy.nftables.scripts import FOREIGN_TABLES
from svcform.backends.proxy.nftables.tools import (
    OLDEST_KERNEL,
    OLDEST_TOOL,
    kernel_of,
    version_of,
)
from svcform.diagnostics import Diagnostic, Severity
from svcform.lang.nft.forward import FORWARDED, TAKEN_IN, foreign_drops
from svcform.lang.nft.marks import foreign_uses
from svcform.model.facts import Facts
from svcform.policy.intent import Intent

_FOREIGN = "nftables.foreign"


def probes() -> tuple[Probe, ...]:
    """What has to be seen besides our own tables."""
    return (Probe(name=_FOREIGN, script=FOREIGN_TABLES),)


def caveats(
    readings: Mapping[str, Reading], facts: Facts, intent: Intent
) -> tuple[Diagnostic, ...]:
    """All that stands in the way."""
    foreign = readings.get(_FOREIGN)
    text = foreign.output.decode(errors="replace") if foreign else ""
    passages = TAKEN_IN if intent.settings.proxy_mode.terminates else FORWARDED
    return (
        *_too_old(facts, intent.node_name),
        *foreign_drops(text, intent.node_name, passages),
        *foreign_uses(text, intent.node_name, intent.settings.masquerade_mark),
    )


def _too_old(facts: Facts, node: str) -> Iterator[Diagnostic]:
    """An error where nft or the kernel lacks what the rules need."""
    tool, kernel = version_of(facts), kernel_of(facts)
    if tool and tool < OLDEST_TOOL:
        yield Diagnostic(
            "SVC411",
            Severity.ERROR,
            "The node's nft is too old",
            f"{node} has nft {_text(tool)}; the mode nftables needs {_text(OLDEST_TOOL)} or later, "
            "which takes numbers in keys of several fields. Install a newer one, or set "
            "proxy_mode: iptables.",
        )
    if kernel and kernel < OLDEST_KERNEL:
        yield Diagnostic(
            "SVC412",
            Severity.ERROR,
            "The node's kernel is too old for the mode nftables",
            f"{node} has Linux {_text(kernel)}; the mode nftables needs {_text(OLDEST_KERNEL)} or "
            "later. Install a newer kernel, or set proxy_mode: iptables.",
        )


def _text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
