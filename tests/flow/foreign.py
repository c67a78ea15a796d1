"""Other people's rules, and a node's rules as text."""

from __future__ import annotations

import re

from tests.flow.arena import Arena

_KUBE_PROXY = """\
:KUBE-SERVICES - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-SVC-ERIFXISQEP7F7OF4 - [0:0]
:KUBE-SEP-WNBA2IHDGP2BOBGZ - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
-A KUBE-POSTROUTING -j MASQUERADE --random-fully
-A KUBE-SERVICES -d {vip} -p tcp -m tcp --dport 443 -j KUBE-SVC-ERIFXISQEP7F7OF4
-A KUBE-SVC-ERIFXISQEP7F7OF4 -m statistic --mode random --probability 0.50000000000 \
-j KUBE-SEP-WNBA2IHDGP2BOBGZ
-A KUBE-SEP-WNBA2IHDGP2BOBGZ -p tcp -m tcp -j DNAT --to-destination {endpoint}
"""
_DOCKER_NAT = """\
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s {bridge} ! -o docker0 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
"""
_DOCKER_FILTER = """\
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A DOCKER-USER -j RETURN
"""
_BY_HAND = """\
-A INPUT -s {bridge} -p tcp -m tcp --dport 2222 -m comment --comment "don't touch: \\"Bob\\"" \
-j ACCEPT
-A OUTPUT -p udp -m udp --dport 4789 -j DROP
"""
_MANGLE = "-A FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu\n"
_VALUES = {
    "iptables": {
        "vip": "10.43.0.1/32",
        "endpoint": "172.31.0.9:6443",
        "bridge": "172.17.0.0/16",
    },
    "ip6tables": {
        "vip": "fd00:43::1/128",
        "endpoint": "[fd00:31::9]:6443",
        "bridge": "fd00:17::/64",
    },
}


def add_foreign_rules(arena: Arena) -> None:
    """Put rules like kube-proxy's, Docker's and an administrator's into the built-in tables."""
    for tool, values in _VALUES.items():
        text = (
            f"*nat\n{_KUBE_PROXY}{_DOCKER_NAT}COMMIT\n"
            f"*filter\n{_DOCKER_FILTER}{_BY_HAND}COMMIT\n*mangle\n{_MANGLE}COMMIT\n"
        )
        arena.run(f"{tool}-restore", given=text.format(**values).encode())


def rules(arena: Arena) -> str:
    """All rules of the node in the order in which they are, without counters and dates."""
    text = arena.run("sh", "-c", "iptables-save; ip6tables-save")
    saved = [
        re.sub(r" \[\d+:\d+\]$", "", line) for line in text.splitlines() if not line.startswith("#")
    ]
    return "\n".join((*saved, *_own_tables(arena)))


def _own_tables(arena: Arena) -> list[str]:
    """The tables of svcform's, a line for each element and rule; sets are in no order."""
    sets: list[str] = []
    rules: list[str] = []
    for family in ("ip", "ip6"):
        if f"table {family} svcform" not in arena.run("nft", "list", "tables"):
            continue
        block = ""
        for line in arena.run("nft", "-s", "list", "table", family, "svcform").splitlines():
            if line.startswith("\t") and not line.startswith("\t\t"):
                block = f"svcform {family} {line.strip()}"
            elif block.split()[2:3] == ["chain"]:
                rules.append(f"{block} {line.strip()}")
            elif line.strip() and block and "affinity" not in block:
                parts = line.strip().replace("elements = {", "").split(",")
                sets += (f"{block} {part.strip(' }')}" for part in parts if part)
    # Chains are listed in the order of their making, rules in the order in which they count.
    return sorted(sets) + sorted(rules, key=lambda rule: rule.partition("{")[0])


def without_ours(text: str) -> str:
    """The same without anything that carries svcform's name."""
    return "\n".join(line for line in text.splitlines() if "svcform" not in line.lower())


def by_chain(text: str) -> dict[tuple[str, str], list[str]]:
    """The rules of each table and chain; the order of chains is that of their creation."""
    family = table = ""
    found: dict[tuple[str, str], list[str]] = {}
    for line in text.splitlines():
        if line.startswith("*"):
            family, table = ("ip6" if (f"ip {line}", "") in found else "ip"), line
            found[f"{family} {table}", ""] = []
        elif line.startswith(":"):
            found[f"{family} {table}", line[1:].split()[0]] = []
        elif line.startswith("-A "):
            found[f"{family} {table}", line.split()[1]].append(line)
        else:
            found[f"{family} {table}", ""].append(line)
    return found
