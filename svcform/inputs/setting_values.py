"""What the value of a setting may be: plain YAML values into typed, canonical ones.

Each reader takes what YAML gave and returns the typed value, or raises BadValue.  Text is taken for
numbers and booleans too, because ``-e name=value`` knows nothing else.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from svcform.model.net import Address, Family, Network, Protocol, family_of
from svcform.model.settings import Download, ManagementFlow, ProxyMode

Reader = Callable[[object], object]

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_NAMESPACE = re.compile(_LABEL)
_ZONE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_FLOW = re.compile(
    r"(?P<protocol>\w+)://(?P<source>[^\s\[\]>]+?)\s*->\s*"
    r"(?:(?P<four>[^\s:\[\]]+)|\[(?P<six>[^\s\[\]]+)\])?:(?P<port>\d{1,5})"
)
_PATH = re.compile(r"[A-Za-z0-9_./+@:-]+")
_BOOLEANS = {
    **dict.fromkeys(("true", "yes", "on"), True),
    **dict.fromkeys(("false", "no", "off"), False),
}


class BadValue(Exception):
    """The value doesn't fit; the text completes the sentence "NAME must be …"."""

    def __init__(self, wanted: str, *path: str | int) -> None:
        super().__init__(wanted)
        self.path = path


def boolean(value: object) -> bool:
    """``true`` or ``false``."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _BOOLEANS:
        return _BOOLEANS[value.lower()]
    raise BadValue("`true` or `false`")


def integer(low: int, high: int) -> Reader:
    """A whole number from ``low`` to ``high``; text may be decimal or ``0x…``."""

    def read(value: object) -> int:
        number = _whole(value)
        if number is None or not low <= number <= high:
            raise BadValue(f"a whole number from {low} to {high}")
        return number

    return read


def choice(*words: str) -> Reader:
    """One of some words."""

    def read(value: object) -> str:
        if isinstance(value, str) and value in words:
            return value
        raise BadValue(f"one of {', '.join(words)}")

    return read


def proxy_mode(value: object) -> ProxyMode:
    """A proxy mode by its name."""
    return ProxyMode(choice(*(mode.value for mode in ProxyMode))(value))


def single_bit(value: object) -> int:
    """A number with exactly one bit set, of the lower 30: by the others IPVS mode knows its own."""
    number = _whole(value)
    if number is None or not 0 < number < 1 << 30 or number & (number - 1):
        raise BadValue("a single bit of the packet mark from 0x1 to 0x20000000, like 0x2000")
    return number


def cidrs(value: object) -> tuple[str, ...]:
    """CIDRs, canonical, none inside another."""
    return tuple(str(network) for network in _networks(value))


def addresses(value: object) -> tuple[str, ...]:
    """Addresses, canonical, no duplicates."""
    found: dict[str, None] = {}
    for position, text in _texts(value):
        found[str(_address(text, position))] = None
    return tuple(found)


def node_ip(value: object) -> tuple[str, ...]:
    """A node's own addresses: at most one of each family, IPv4 or IPv6 first as written."""
    seen: set[Family] = set()
    for position, text in _texts(value):
        address = _address(text, position)
        if address.is_unspecified or address.is_loopback or address.is_multicast:
            raise BadValue(f"an address that other nodes reach; {text} is none", position)
        family = family_of(str(address))
        if family in seen:
            raise BadValue(f"one address a family; {text} is a second of {family.value}", position)
        seen.add(family)
    return addresses(value)


def listen_addresses(value: object) -> tuple[str, ...]:
    """Addresses to bind, each by itself: others are told them, and look who has them already."""
    for position, text in _texts(value):
        address = _address(text, position)
        if address.is_unspecified or address.is_multicast:
            raise BadValue(f"single addresses of the node; {text} is none", position)
    return addresses(value)


def port_range(value: object) -> tuple[int, int]:
    """``"30000-32767"``: the first and the last port."""
    text = value if isinstance(value, str) else ""
    found = re.fullmatch(r"\s*(\d{1,5})\s*-\s*(\d{1,5})\s*", text)
    low, high = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= low <= high <= 65535:
        raise BadValue("two ports from 1 to 65535, like `30000-32767`")
    return low, high


def node_port_addresses(value: object) -> tuple[str, ...]:
    """``("primary",)``, ``("all",)``, or CIDRs."""
    items = [text for _, text in _texts(value)]
    if items in (["primary"], ["all"]):
        return tuple(items)
    if "primary" in items or "all" in items:
        raise BadValue("`primary` or `all` alone, or a list of CIDRs")
    return cidrs(value)


def management_flows(value: object) -> tuple[ManagementFlow, ...]:
    """Connections like ``tcp://192.0.2.0/24 -> :22``, canonical, no duplicates."""
    return tuple(dict.fromkeys(_flow(text, position) for position, text in _listed(value)))


def pools(value: object) -> Mapping[str, tuple[str, ...]]:
    """Named pools of CIDRs and ranges, canonical; no address is in two of them."""
    if not isinstance(value, Mapping) or not value:
        raise BadValue("a mapping of pool names to lists of CIDRs and ranges")
    named: dict[str, tuple[str, ...]] = {}
    spans: list[tuple[Address, Address, str]] = []
    for name, content in value.items():
        if not isinstance(name, str) or not _NAMESPACE.fullmatch(name):
            raise BadValue(f"a mapping whose names are like `public`; {name!r} is not", str(name))
        texts = []
        for position, text in _texts(content):
            first, last = _span(text, name, position)
            _refuse_overlap(spans, (first, last), text, (name, position))
            spans.append((first, last, text))
            texts.append(_canonical_span(text, first, last))
        named[name] = tuple(texts)
    return MappingProxyType(named)


def span(text: str) -> tuple[Address, Address]:
    """The first and last address of a CIDR, a range or an address.  Raises BadValue."""
    return _span(text)


def domain(value: object) -> str:
    """A DNS name in lower case, without the closing dot."""
    if isinstance(value, str) and len(value) <= 253:
        name = value.removesuffix(".")
        if _DOMAIN.fullmatch(name):
            return name
    raise BadValue("a DNS name in lower case, like `cluster.local`")


def zone(value: object) -> str:
    """A topology zone: what a Kubernetes label value may be."""
    if isinstance(value, str) and _ZONE.fullmatch(value):
        return value
    raise BadValue("text of at most 63 letters, digits, `-`, `_` and `.`")


def namespaces(value: object) -> tuple[str, ...]:
    """Names of namespaces, sorted."""
    names = []
    for position, text in _texts(value):
        if not _NAMESPACE.fullmatch(text):
            raise BadValue(f"a list of namespaces; {text!r} can't be one", position)
        names.append(text)
    return tuple(sorted(set(names)))


def coredns_binary(value: object) -> str | Mapping[str, Download]:
    """A path or name on the node, or the files to bring along by architecture."""
    if isinstance(value, str) and _PATH.fullmatch(value):
        return value
    if not isinstance(value, Mapping) or not value:
        raise BadValue("a path on the node, or `{amd64: {file: PATH, sha256: SUM}}`")
    found = {
        str(architecture): _download(str(architecture), of) for architecture, of in value.items()
    }
    return MappingProxyType(found)


def _download(architecture: str, value: object) -> Download:
    if not isinstance(value, Mapping) or set(value) != {"file", "sha256"}:
        raise BadValue("`{file: PATH, sha256: SUM}` for each architecture", architecture)
    file, checksum = value["file"], value["sha256"]
    if not isinstance(file, str) or not file:
        raise BadValue("a path in `file`", architecture, "file")
    if not isinstance(checksum, str) or not re.fullmatch(r"[0-9a-fA-F]{64}", checksum):
        raise BadValue("64 hexadecimal digits in `sha256`", architecture, "sha256")
    return Download(file=file, sha256=checksum.lower())


def forward_servers(value: object) -> tuple[str, ...]:
    """DNS servers: addresses, with or without a port (``192.0.2.53``, ``[2001:db8::1]:5353``)."""
    servers = []
    for position, text in _texts(value):
        found = re.fullmatch(
            r"\[(?P<six>[^\]]+)\](?::(?P<a>\d+))?|(?P<four>[\d.]+):(?P<b>\d+)", text
        )
        host = (found["six"] or found["four"]) if found else text
        address = str(_address(host, position))
        port = _port((found["a"] or found["b"]) if found else None, text, position)
        shown = f"[{address}]" if ":" in address and port else address
        servers.append(f"{shown}:{port}" if port else address)
    return tuple(dict.fromkeys(servers))


def _port(digits: str | None, text: str, position: int) -> int:
    if digits is None:
        return 0
    if not 1 <= int(digits) <= 65535:
        raise BadValue(f"a server with a port from 1 to 65535; {text!r} has none", position)
    return int(digits)


def _whole(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(r"0[xX][0-9a-fA-F]+|[0-9]{1,20}", value.strip()):
        text = value.strip()
        return int(text, 16) if text[:2].lower() == "0x" else int(text)
    return None


def _texts(value: object) -> list[tuple[int, str]]:
    # `a, b` in one text is a list too: `-e pod_cidrs=10.0.0.0/24,10.0.1.0/24`.
    if isinstance(value, str) and value.strip():
        return list(enumerate(part.strip() for part in value.split(",")))
    return _listed(value)


def _listed(value: object) -> list[tuple[int, str]]:
    items = [value] if isinstance(value, str) and value.strip() else value
    if not isinstance(items, list | tuple) or not items:
        raise BadValue("a list with at least one entry")
    for position, item in enumerate(items):
        if not isinstance(item, str):
            raise BadValue(f"a list of texts; {item!r} is none", position)
    return list(enumerate(items))


def _address(text: str, *path: str | int) -> Address:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise BadValue(f"an IP address; {text!r} is none", *path) from None


def _network(text: str, *path: str | int) -> Network:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise BadValue(f"a CIDR like 10.0.0.0/16; {text!r} is none", *path) from None
    if "/" not in text:
        raise BadValue(f"a CIDR; write {network} for the one address {text}", *path)
    if str(network.network_address) != str(ipaddress.ip_address(text.partition("/")[0])):
        raise BadValue(f"a CIDR without host bits; write {network} instead of {text}", *path)
    return network


def _networks(value: object) -> list[Network]:
    networks: list[Network] = []
    for position, text in _texts(value):
        network = _network(text, position)
        for other in networks:
            if network.version == other.version and network.overlaps(other):
                raise BadValue(f"CIDRs that don't overlap; {text} meets {other}", position)
        networks.append(network)
    return networks


def _flow(text: str, position: int) -> ManagementFlow:
    found = _FLOW.fullmatch(text.strip())
    if found is None:
        raise BadValue(
            "connections like `tcp://192.0.2.0/24 -> :22` or "
            f"`tcp://2001:db8::/32 -> [2001:db8::1]:22`; {text!r} is none",
            position,
        )
    protocols = {protocol.value.lower(): protocol for protocol in Protocol}
    protocol, port = found["protocol"], int(found["port"])
    if protocol not in protocols:
        near = difflib.get_close_matches(protocol.lower(), protocols, n=1, cutoff=0.3)
        meant = f" (did you mean {near[0]}://?)" if near else ""
        raise BadValue(f"connections of tcp, udp or sctp; {text!r} is none{meant}", position)
    if not 1 <= port <= 65535:
        raise BadValue(f"connections to a port from 1 to 65535; {text!r} has {port}", position)
    source = found["source"]
    network = _network(source if "/" in source else str(_host(source, position)), position)
    to = found["four"] or found["six"]
    target = _address(to, position) if to else None
    if target is not None and target.version != network.version:
        raise BadValue(
            f"connections within one family; {text!r} goes from IPv{network.version} to "
            f"IPv{target.version}",
            position,
        )
    return ManagementFlow(protocols[protocol], str(network), str(target or ""), port)


def _host(text: str, *path: str | int) -> Network:
    return ipaddress.ip_network(_address(text, *path))


def _span(text: str, *path: str | int) -> tuple[Address, Address]:
    if "/" in text:
        network = _network(text, *path)
        return network[0], network[-1]
    first, dash, last = text.partition("-")
    low = _address(first.strip(), *path)
    high = _address(last.strip(), *path) if dash else low
    if low.version != high.version or int(low) > int(high):
        raise BadValue(f"a range from a lower to a higher address; {text!r} is none", *path)
    return low, high


def _canonical_span(text: str, first: Address, last: Address) -> str:
    if "/" in text:
        return str(ipaddress.ip_network(text))
    return f"{first}-{last}" if "-" in text else str(first)


def _refuse_overlap(
    spans: list[tuple[Address, Address, str]],
    new: tuple[Address, Address],
    text: str,
    path: tuple[str | int, ...],
) -> None:
    for first, last, other in spans:
        if spans_overlap((first, last), new):
            raise BadValue(f"pools that don't overlap; {text} meets {other}", *path)


def spans_overlap(one: tuple[Address, Address], other: tuple[Address, Address]) -> bool:
    """Whether two spans have an address in common."""
    return (
        one[0].version == other[0].version
        and int(one[0]) <= int(other[1])
        and int(other[0]) <= int(one[1])
    )
