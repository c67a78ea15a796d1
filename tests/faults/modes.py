"""What differs between the proxy modes whose applies are disturbed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """A proxy mode, from the outside.

    ``by_hand`` is a command that adds a rule to a chain of svcform's which the plan leaves on the
    node, ``trace`` is what a listing shows of it; ``loaders`` are the tools that change rules, with
    the pattern of the arguments with which they do; ``load`` goes back to the rules that
    were kept in /var/kept.
    """

    name: str
    by_hand: str
    trace: str
    loaders: tuple[tuple[str, str], ...]
    load: str


_TOOLS = "iptables-nft ip6tables-nft iptables-legacy ip6tables-legacy"
_LOAD_IPTABLES = f"for t in {_TOOLS}; do $t-restore </var/kept/$t || exit 1; done"
IPTABLES = Mode(
    name="iptables",
    by_hand="iptables-nft -t nat -A SVCFORM-SERVICES -s 198.51.100.8/32 -j RETURN",
    trace="-A SVCFORM-SERVICES -s 198.51.100.8/32 -j RETURN",
    loaders=(("iptables-nft-restore", "*"), ("ip6tables-nft-restore", "*")),
    load=_LOAD_IPTABLES,
)
NFTABLES = Mode(
    name="nftables",
    by_hand="nft add rule ip svcform services ip saddr 198.51.100.8 return",
    trace="198.51.100.8",
    loaders=(("nft", "*\\ -f\\ *"),),
    load=(
        f"{_LOAD_IPTABLES}; nft 'add table ip svcform; delete table ip svcform;"
        " add table ip6 svcform; delete table ip6 svcform' &&"
        " nft -f /var/kept/state/confirmed/nftables/state"
    ),
)
BY_NAME = {mode.name: mode for mode in (IPTABLES, NFTABLES)}
