"""Services on the node that wipe our rules when they start again."""

from __future__ import annotations

from collections.abc import Iterator

from svcform.backends.proxy.iptables.objects import Variant
from svcform.backends.proxy.iptables.tools import variant_of
from svcform.diagnostics import Diagnostic, Severity
from svcform.model.facts import Facts

#: What spares our rules, by unit: Debian 12's and Rocky 9's units and their configuration.
_REMEDIES = {
    "nftables": "Let /etc/nftables.conf delete and make its own tables instead of `flush ruleset`, "
    "and reload it instead of restarting.",
    "netfilter-persistent": "Set IPTABLES_RESTORE_NOFLUSH=yes and IP6TABLES_RESTORE_NOFLUSH=yes in "
    "/etc/default/netfilter-persistent.",
    "iptables": "Move its rules to a tool that changes only its own, and disable it.",
    "ip6tables": "Move its rules to a tool that changes only its own, and disable it.",
    "ufw": "Set MANAGE_BUILTINS=no in /etc/default/ufw.",
    "firewalld": "Use firewalld 2.0 or later with FirewallBackend=nftables and no direct rules.",
}


#: Their own commands, of which systemd knows nothing.
_COMMANDS = {
    "netfilter-persistent": "netfilter-persistent reload",
    "ufw": "ufw reload",
}


def reloaders(facts: Facts, node: str) -> Iterator[Diagnostic]:
    """A warning for each after whose start ours don't come back by themselves.

    Where services of ours can be written, they follow what systemd restarts and reloads.
    """
    for unit in sorted(facts.disruptive & _REMEDIES.keys()):
        if unit == "nftables" and variant_of(facts) is Variant.LEGACY:
            continue  # nft doesn't know of the legacy variant's rules
        if facts.init_writable and unit not in _COMMANDS:
            continue
        what = f"`{_COMMANDS[unit]}`" if facts.init_writable else "a restart of it"
        yield Diagnostic(
            "SVC406",
            Severity.WARNING,
            "A service of the node flushes our rules",
            f"{unit}.service is active on {node}, and {what} flushes all rules, those of "
            "svcform with them: Services stop until `svcform apply` puts them back. "
            f"{_REMEDIES[unit]}",
        )
