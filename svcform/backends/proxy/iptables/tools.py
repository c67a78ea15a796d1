"""The tools of the two variants on a node."""

from __future__ import annotations

import re
from collections.abc import Iterable

from svcform.backends.proxy.iptables.objects import TOOL_PREFIXES, Variant
from svcform.errors import ToolMissing
from svcform.model.facts import Facts
from svcform.model.packages import install_command


def variant_of(facts: Facts) -> Variant:
    """The variant that the node's plain ``iptables`` is: it prints ``(nf_tables)`` or not.

    Versions before 1.8 print nothing and are legacy.
    """
    return Variant.NFT if "nf_tables" in facts.tools.get("iptables", "") else Variant.LEGACY


#: The oldest version whose listings and restores this backend knows.
OLDEST = (1, 8, 4)


def version_of(facts: Facts) -> tuple[int, ...]:
    """The numbers in ``iptables v1.8.9 (nf_tables)``; empty where there is none."""
    found = re.search(r"v([0-9]+(?:\.[0-9]+)*)", facts.tools.get("iptables", ""))
    return tuple(map(int, found[1].split("."))) if found else ()


def has_broken_buffer(variant: Variant, facts: Facts) -> bool:
    """Whether restores need :data:`svcform.lang.iptables.restore.WITHOUT_BUFFER`."""
    return variant is Variant.NFT and version_of(facts) == OLDEST


def require_tools(facts: Facts, families: Iterable[str], node: str) -> None:
    """Raises :class:`ToolMissing` where the node has not all the tools of its variant."""
    for family in families:
        plain = TOOL_PREFIXES[family]
        for tool in (plain, f"{plain}-{variant_of(facts).value}"):
            if tool not in facts.tools:
                raise ToolMissing(
                    f"{node} has no command {tool}, which carries Services out there.",
                    remedy=install_command(plain, facts.os_release),
                )


def restore_tool(variant: Variant, family: str) -> str:
    """``iptables-nft-restore``."""
    return f"{TOOL_PREFIXES[family]}-{variant.value}-restore"
