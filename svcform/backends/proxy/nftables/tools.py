"""The tool on a node, and how old it and the kernel may be."""

from __future__ import annotations

import re

from svcform.errors import ToolMissing
from svcform.model.facts import Facts
from svcform.model.packages import install_command

#: Numbers in keys of several fields, and the timeout of what a rule puts into a map: 1.0.2 refuses
#: the one ("can not use variable sized data types (integer) in concat expressions"), and 1.0.6 was
#: the first that kept the other (its list of changes).
OLDEST_TOOL = (1, 0, 6)
#: kube-proxy's floor for its nftables mode; ``reject`` in prerouting needs 5.9.
OLDEST_KERNEL = (5, 13)


def version_of(facts: Facts) -> tuple[int, ...]:
    """The numbers in ``nftables v1.0.6 (Lester Gooch #5)``; empty where there are none."""
    return _numbers(r"v([0-9]+(?:\.[0-9]+)*)", facts.tools.get("nft", ""))


def kernel_of(facts: Facts) -> tuple[int, ...]:
    """The numbers in ``6.1.0-18-amd64``."""
    return _numbers(r"([0-9]+\.[0-9]+)", facts.kernel)


def _numbers(pattern: str, text: str) -> tuple[int, ...]:
    found = re.search(pattern, text)
    return tuple(map(int, found[1].split("."))) if found else ()


def require_tools(facts: Facts, node: str) -> None:
    """Raises :class:`ToolMissing` where the node has no nft."""
    if "nft" not in facts.tools:
        raise ToolMissing(
            f"{node} has no command nft, which carries Services out there.",
            remedy=install_command("nft", facts.os_release),
        )
