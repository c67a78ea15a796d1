"""The tools and modules of a node, and what the mode can't do without."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from svcform.diagnostics import Diagnostic, Severity
from svcform.errors import ToolMissing
from svcform.model.facts import Facts
from svcform.model.packages import install_command


def kernel_of(facts: Facts) -> tuple[int, ...]:
    """The numbers in ``6.1.0-18-amd64``."""
    found = re.search(r"([0-9]+\.[0-9]+)", facts.kernel)
    return tuple(map(int, found[1].split("."))) if found else ()


def require_tools(facts: Facts, node: str) -> None:
    """Raises :class:`ToolMissing` where the node has no ipvsadm or ipset."""
    for tool in ("ipvsadm", "ipset"):
        if tool not in facts.tools:
            raise ToolMissing(
                f"{node} has no command {tool}, which carries Services out there.",
                remedy=install_command(tool, facts.os_release),
            )


def has_module(facts: Facts, name: str) -> bool:
    """Whether the kernel has a module, or can load it."""
    return name in facts.modules or name in facts.loadable


def missing_modules(facts: Facts, schedulers: Iterable[str], node: str) -> Iterator[Diagnostic]:
    """An error for what the node's kernel lacks."""
    wanted = ["ip_vs", "ip_set", *(f"ip_vs_{name}" for name in sorted(schedulers))]
    for name in wanted:
        if not has_module(facts, name):
            what = f"the scheduler {name.removeprefix('ip_vs_')}" if name[5:] else "IPVS"
            if name == "ip_set":
                what = "sets of addresses"
            yield Diagnostic(
                "SVC421",
                Severity.ERROR,
                "The node's kernel lacks a module that the mode ipvs needs",
                f"{node} has no kernel module {name}, which is {what}. Install the kernel's "
                "modules, choose another ipvs_scheduler, or set proxy_mode: iptables.",
            )
