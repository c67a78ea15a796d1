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
#: Virtual servers as keepalived makes them, by address and by mark, and somebody's set.
_SERVERS = """\
-A -t 192.0.2.250:443 -s wlc -p 300
-a -t 192.0.2.250:443 -r 172.31.0.9:443 -g -w 3
-a -t 192.0.2.250:443 -r 172.31.0.10:443 -g -w 0
-A -f 77 -s sh
-a -f 77 -r 172.31.0.11:0 -m -w 1
-A -u 192.0.2.250:53 -s rr
"""
_SETS = "create blocked hash:net\nadd blocked 203.0.113.192/26\n"
#: Somebody's own table, with what svcform's tables have, too.
_TABLE = """\
table inet theirs {
	map places { type ipv4_addr : verdict; elements = { 203.0.113.193 : drop }; }
	set blocked { type ipv4_addr; flags interval; elements = { 203.0.113.192/26 }; }
	chain early {
		type filter hook prerouting priority -110; policy accept;
		ip saddr @blocked counter drop
		ip saddr vmap @places
	}
}
"""
_LIST_TABLE = ("nft", "-s", "list", "table", "inet", "theirs")
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
    if arena.exec("nft", "add", "table", "inet", "theirs").returncode == 0:  # not on a guest
        arena.run("nft", "-f", "-", given=_TABLE.encode())
    if arena.exec("modprobe", "-q", "ip_vs").returncode == 0:
        arena.run("ipvsadm", "-R", given=_SERVERS.encode())
        arena.run("ipset", "restore", given=_SETS.encode())


def has_foreign_rules(arena: Arena) -> bool:
    return "KUBE-SERVICES" in arena.run("iptables-save", "-t", "nat")


def rules(arena: Arena) -> str:
    """All rules of the node in the order in which they are, without counters and dates.

    Behind them are somebody's table of nftables, and what svcform has there besides rules.
    """
    text = arena.run("sh", "-c", "iptables-save; ip6tables-save")
    saved = [
        re.sub(r" \[\d+:\d+\]$", "", line) for line in text.splitlines() if not line.startswith("#")
    ]
    saved += arena.exec(*_LIST_TABLE).stdout.decode().splitlines()
    return "\n".join((*saved, *_own_tables(arena), *_own_programs(arena), *_beside_rules(arena)))


def host(arena: Arena) -> dict[str, str]:
    """The node's settings of the kernel that a mode may want, its links, and its addresses."""
    settings = arena.run("sysctl", "-a", "-r", r"^net\.(ipv4|ipv6|bridge|netfilter)\.").splitlines()
    pairs = (line.partition(" = ")[::2] for line in settings)
    addresses = arena.run("ip", "-o", "address").splitlines()
    places = sorted(" ".join(line.split()[1:4]) for line in addresses)
    found = {key: value for key, value in pairs if not _COUNTS.search(key)}
    return {**found, "addresses": ", ".join(places)}


#: What the kernel counts by itself.
_COUNTS = re.compile(r"nf_conntrack_(count|max|buckets|expect_max)$|fib_|_mem$|route\.gc")


def _own_programs(arena: Arena) -> list[str]:
    """The files of svcform's own configuration, and what runs beside init and this command."""
    words = ("find", "/etc", "-path", "*svcform*", "-type", "f")
    files = arena.run(*words, "-exec", "cksum", "{}", "+").splitlines()
    listed = arena.run("ps", "-e", "-o", "pid=,comm=,args=").splitlines()
    names = {
        name for pid, name, *argv in map(str.split, listed) if pid != "1" and argv[0][0] != "["
    }
    return [*sorted(files), *(f"svcform runs {name}" for name in sorted(names - _COMMANDS))]


def _beside_rules(arena: Arena) -> list[str]:
    """All virtual servers, sets, rules of routing and routes, where IPVS is; those of ours as such.

    A virtual server that isn't foreign is ours, and so is what has our number for a protocol.
    """
    if arena.exec("test", "-e", "/proc/net/ip_vs").returncode:
        return []
    theirs = {f"ipvsadm {line}" for line in _SERVERS.splitlines()}
    servers = [f"ipvsadm {line}" for line in arena.run("ipvsadm", "-S", "-n").splitlines()]
    listed = arena.run("sh", "-ec", "ipset save; ip rule; ip -6 rule; ip route show table all")
    others = [re.sub(r" (initval|hashsize) \S+", "", line) for line in listed.splitlines()]
    ours = {line for line in servers if line not in theirs}
    ours |= {line for line in others if "proto 83" in line}
    return sorted(f"svcform {line}" if line in ours else line for line in (*servers, *others))


#: What there is while a node is looked at, and on a guest always.
_COMMANDS = {"ps", "nsenter", "sh", "python", "python3", "bpfilter_umh"}


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
