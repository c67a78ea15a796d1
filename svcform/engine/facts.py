"""The sections of a reading that say what a node is, as Facts."""

from __future__ import annotations

import ipaddress
import shlex
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from svcform.errors import ReadingFailed, ToolMissing
from svcform.model.facts import Facts, Init, InterfaceAddress, Listening, SshConnection
from svcform.model.net import Family
from svcform.program.reading import Section

_NEEDED = ("fact.host", "fact.addresses", "fact.routes")
_PREFIX_LENGTHS = {Family.IPV4: 32, Family.IPV6: 128}


def parse_facts(sections: Mapping[str, Section]) -> Facts:
    """The facts of a node.

    Raises ToolMissing where the node has no ``ip``, ReadingFailed where a fact that everything
    needs could not be read.
    """
    for name in _NEEDED:
        _check(name, sections.get(name))
    text = {name: _text(section) for name, section in sections.items() if name[:5] == "fact."}
    host = _pairs(text["fact.host"].splitlines(), "=")
    modules = text.get("fact.modules", "").splitlines()
    units = text.get("fact.units", "").splitlines()
    starts = _pairs(text.get("fact.init", "").splitlines(), " ")
    return Facts(
        hostname=host.get("hostname", ""),
        machine_id=host.get("machine_id", ""),
        boot_id=host.get("boot_id", ""),
        kernel=host.get("kernel", ""),
        architecture=host.get("architecture", ""),
        os_release=_os_release(text.get("fact.os-release", "")),
        tools=_pairs(text.get("fact.tools", "").splitlines(), "\t"),
        sysctls=_sysctls(text.get("fact.sysctls", "")),
        addresses=_addresses(text["fact.addresses"]),
        routes=tuple(line.strip() for line in text["fact.routes"].splitlines() if line.strip()),
        default_source=_default_source(text.get("fact.default-source", "")),
        modules=frozenset(line for line in modules if " " not in line),
        loadable=frozenset(_after("loadable", modules)),
        module_parameters=_pairs(_after("parameter", modules), " "),
        bridges=_bridges(text.get("fact.bridges", "")),
        units=frozenset(line for line in units if " " not in line),
        disruptive=frozenset(_after("disrupts", units)),
        init=_init(starts.get("init", "")),
        init_writable=starts.get("writable") == "yes",
        ssh=_ssh(text.get("fact.ssh", "")),
        sshd=_sshd(text.get("fact.ssh", "")),
    )


def _init(word: str) -> Init:
    return Init(word) if word in set(Init) else Init.NONE


def _check(name: str, section: Section | None) -> None:
    if section is None:
        raise ReadingFailed(f"The node's answer has no section {name}.")
    if section.code == 91:
        raise ToolMissing(
            "The command ip is not on the node.", remedy="Install iproute2, or busybox with ip."
        )
    if section.code:
        raise ReadingFailed(f"{name} can't be read on the node: {section.error or 'no reason'}.")


def _text(section: Section) -> str:
    return section.output.decode(errors="replace") if section.code == 0 else ""


def _pairs(lines: Iterable[str], separator: str) -> Mapping[str, str]:
    pairs = (line.partition(separator) for line in lines)
    return MappingProxyType({key: value for key, found, value in pairs if found})


def _after(word: str, lines: Iterable[str]) -> list[str]:
    return [line[len(word) + 1 :] for line in lines if line.startswith(word + " ")]


def _os_release(text: str) -> Mapping[str, str]:
    """The values of os-release(5), unquoted; a line that is not shell-like is left out."""
    values: dict[str, str] = {}
    for key, value in _pairs(text.splitlines(), "=").items():
        try:
            values[key] = "".join(shlex.split(value))
        except ValueError:
            continue
    return MappingProxyType(values)


def _sysctls(text: str) -> Mapping[str, str]:
    """Names as sysctl(8) writes them: a dot inside of a component becomes a slash."""
    swap = str.maketrans("./", "/.")
    pairs = _pairs(text.splitlines(), "\t")
    return MappingProxyType({path.translate(swap): value.strip() for path, value in pairs.items()})


def _addresses(text: str) -> tuple[InterfaceAddress, ...]:
    """The lines of ``ip -o addr`` of iproute2 or busybox."""
    found = []
    for line in text.splitlines():
        words = line.replace("\\", " ").split()
        if len(words) < 4 or words[2] not in {"inet", "inet6"}:
            continue
        address, _, own = words[3].partition("/")
        family = Family.IPV6 if words[2] == "inet6" else Family.IPV4
        length = own
        if "peer" in words[:6]:
            length = words[words.index("peer") + 1].partition("/")[2]
        scope = words[words.index("scope") + 1] if "scope" in words[:-1] else "global"
        found.append(
            InterfaceAddress(
                interface=words[1].rstrip(":").partition("@")[0],
                address=str(ipaddress.ip_address(address)),
                prefix_length=int(length) if length else _PREFIX_LENGTHS[family],
                scope=scope,
            )
        )
    return tuple(found)


def _default_source(text: str) -> Mapping[Family, str]:
    sources: dict[Family, str] = {}
    for line in text.splitlines():
        words = line.split()
        if "src" in words[:-1] and "unreachable" not in words:
            family = Family.IPV4 if words[0] == "4" else Family.IPV6
            sources[family] = str(ipaddress.ip_address(words[words.index("src") + 1]))
    return MappingProxyType(sources)


def _bridges(text: str) -> frozenset[str]:
    names = (line.split()[1] for line in text.splitlines() if len(line.split()) > 1)
    return frozenset(name.rstrip(":").partition("@")[0] for name in names)


def _ssh(text: str) -> SshConnection | None:
    """The value of SSH_CONNECTION: who, their port, to which address, and port."""
    words = next((line.split() for line in _after("connection", text.splitlines())), [])
    if len(words) != 4 or not words[3].isdigit():
        return None
    peer, address = _address(words[0]), _address(words[2])
    return SshConnection(peer, address, int(words[3])) if peer and address else None


def _sshd(text: str) -> tuple[Listening, ...]:
    """What ``ss`` writes: ``0.0.0.0:22``, ``*:22``, ``[::]:22``, ``192.0.2.1%eth0:22``.

    Where it shows nothing of the port on which the reading came in, that is taken to be everywhere:
    not every node has ss, and systemd may hold the socket.
    """
    found = set()
    for line in _after("listen", text.splitlines()):
        host, _, port = line.strip().rpartition(":")
        address = _address(host.strip("[]"))
        if port.isdigit() and (address or host == "*"):
            found.add(Listening(address, int(port)))
    connection = _ssh(text)
    if connection and connection.port not in {port for _, port in found}:
        found.add(Listening("", connection.port))
    return tuple(sorted(found))


def _address(text: str) -> str:
    """Canonical, without a zone, an IPv4 address in IPv6 clothes as itself; empty for none."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    mapped = address.ipv4_mapped if address.version == 6 else None
    return str(mapped or address)
