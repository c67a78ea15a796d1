"""The tools of the two variants on a node."""

from __future__ import annotations

from svcform.backends.proxy.iptables.objects import TOOL_PREFIXES, Variant
from svcform.model.facts import Facts


def variant_of(facts: Facts) -> Variant:
    """The variant that the node's plain ``iptables`` is: it prints ``(nf_tables)`` or not.

    Versions before 1.8 print nothing and are legacy.
    """
    return Variant.NFT if "nf_tables" in facts.tools.get("iptables", "") else Variant.LEGACY


def save_tool(variant: Variant, family: str) -> str:
    """``iptables-nft-save``."""
    return f"{TOOL_PREFIXES[family]}-{variant.value}-save"


def restore_tool(variant: Variant, family: str) -> str:
    """``iptables-nft-restore``."""
    return f"{TOOL_PREFIXES[family]}-{variant.value}-restore"
