"""The same Services in kube-proxy's rule shape (v1.36, many endpoints: no comments), to compare.

iptables: a chain for each endpoint, a chain for each Service, and one list of all Services.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple


class Plain(NamedTuple):
    """A Service with one TCP port."""

    name: str
    address: str
    endpoints: Sequence[tuple[str, int]]


def _chain(prefix: str, *words: str) -> str:
    digest = hashlib.sha256("".join(words).encode()).digest()
    return prefix + base64.b32encode(digest)[:16].decode()


def _endpoint_chain(service: Plain, endpoint: tuple[str, int]) -> str:
    return _chain("KUBE-SEP-", service.name, f"{endpoint[0]}:{endpoint[1]}")


_FIXED = """\
*filter
:KUBE-SERVICES - [0:0]
:KUBE-EXTERNAL-SERVICES - [0:0]
:KUBE-FORWARD - [0:0]
:KUBE-NODEPORTS - [0:0]
-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
-A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT
-A KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
COMMIT
*nat
:KUBE-SERVICES - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-MARK-MASQ - [0:0]
"""
_ENDS = """\
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000
-A KUBE-POSTROUTING -j MASQUERADE --random-fully
-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000
"""
#: Ensured by kube-proxy one by one, apart from its restore.
JUMPS = """\
*nat
-I PREROUTING -j KUBE-SERVICES
-I OUTPUT -j KUBE-SERVICES
-I POSTROUTING -j KUBE-POSTROUTING
COMMIT
"""


def sync(services: Sequence[Plain], written: Sequence[Plain], stale: Sequence[str] = ()) -> bytes:
    """One sync's input: the list of all ``services``, and the chains of those ``written``."""
    declared, rules = [], []
    for service in written:
        chain = _chain("KUBE-SVC-", service.name)
        declared.append(f":{chain} - [0:0]")
        rules += _service_rules(service, chain)
        for endpoint in service.endpoints:
            declared.append(f":{_endpoint_chain(service, endpoint)} - [0:0]")
            rules += _endpoint_rules(service, endpoint)
    declared += [f":{name} - [0:0]" for name in stale]
    listed = [
        f"-A KUBE-SERVICES -m tcp -p tcp -d {s.address} --dport 80 -j {_chain('KUBE-SVC-', s.name)}"
        for s in services
    ]
    gone = [f"-X {name}" for name in stale]
    lines = [*declared, *listed, *rules, _ENDS + "\n".join([*gone, "COMMIT"])]
    return (_FIXED + "\n".join(lines) + "\n").encode()


def stale_chains(before: Plain, after: Plain) -> list[str]:
    """The chains of endpoints that a Service loses."""
    gone = set(before.endpoints) - set(after.endpoints)
    return [_endpoint_chain(before, endpoint) for endpoint in sorted(gone)]


def _service_rules(service: Plain, chain: str) -> Iterator[str]:
    yield (
        f"-A {chain} -m tcp -p tcp -d {service.address} --dport 80 ! -s 10.244.0.0/16 "
        "-j KUBE-MARK-MASQ"
    )
    count = len(service.endpoints)
    for position, endpoint in enumerate(service.endpoints):
        chance = f"-m statistic --mode random --probability {1 / (count - position):.10f} "
        last = position == count - 1
        yield f"-A {chain} {'' if last else chance}-j {_endpoint_chain(service, endpoint)}"


def _endpoint_rules(service: Plain, endpoint: tuple[str, int]) -> Iterator[str]:
    chain = _endpoint_chain(service, endpoint)
    yield f"-A {chain} -s {endpoint[0]} -j KUBE-MARK-MASQ"
    yield f"-A {chain} -m tcp -p tcp -j DNAT --to-destination {endpoint[0]}:{endpoint[1]}"


_NFT_FIXED = """\
table ip kube-proxy {
  set cluster-ips { type ipv4_addr; }
  map service-ips { type ipv4_addr . inet_proto . inet_service : verdict; }
  chain mark-for-masquerade { meta mark set meta mark or 0x4000; }
  chain services { ip daddr . meta l4proto . th dport vmap @service-ips; }
  chain nat-prerouting { type nat hook prerouting priority dstnat; jump services; }
  chain nat-output { type nat hook output priority -100; jump services; }
}
"""


def _nft_chain(service: Plain) -> str:
    digest = base64.b32encode(hashlib.sha256(service.name.encode()).digest())[:8].decode()
    return f"service-{digest}-{service.name.replace(':', '/')}/tcp"


def _nft_rule(service: Plain) -> str:
    places = ", ".join(f"{n} : {a} . {p}" for n, (a, p) in enumerate(service.endpoints))
    return (
        f"add rule ip kube-proxy {_nft_chain(service)} meta l4proto tcp dnat ip addr . port to "
        f"numgen random mod {len(service.endpoints)} map {{ {places} }}"
    )


def nft_load(services: Sequence[Plain]) -> bytes:
    """One full sync of the nftables mode: a chain with one rule and one map for each Service."""
    lines = [f"add chain ip kube-proxy {_nft_chain(service)}" for service in services]
    lines += map(_nft_rule, services)
    lines += [f"add element ip kube-proxy cluster-ips {{ {s.address} }}" for s in services]
    lines += [
        f"add element ip kube-proxy service-ips {{ {s.address} . tcp . 80 : goto {_nft_chain(s)} }}"
        for s in services
    ]
    return (_NFT_FIXED + "\n".join([*lines, ""])).encode()


def nft_change(service: Plain) -> bytes:
    """Its partial sync of one Service, without the listing that comes before it."""
    return f"flush chain ip kube-proxy {_nft_chain(service)}\n{_nft_rule(service)}\n".encode()
