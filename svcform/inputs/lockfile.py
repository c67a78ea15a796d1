"""``svcform.lock.yml``: the project's id, the managed nodes, and what was allocated.

It is YAML of one line a node and one a Service, sorted, so that Git merges it line by line.  Two
branches that add neighbours would still conflict; Git's built-in ``union`` driver takes both
(``.gitattributes``), and :func:`parse` takes lines in any order and the same line twice.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from svcform.diagnostics import Diagnostic, Location, Severity
from svcform.errors import SvcformError
from svcform.inputs.encoding import not_utf8
from svcform.inputs.marked_files import shown
from svcform.model.lock import LockEntry
from svcform.model.service import NamespacedName

NAME = "svcform.lock.yml"
FORMAT = 1
#: The first release that reads this format; it stands in the file for those that don't.
NEEDS = "0.1"
GIT_ATTRIBUTE = f"{NAME} merge=union"

_HEAD = "# Written by svcform; keep it in Git. One line a node and one a Service, sorted."
# What YAML 1.1 takes for text without quotes.
_PLAIN = re.compile(r"(?!(?:y|n|yes|no|on|off|true|false|null)$)[A-Za-z][A-Za-z0-9._-]*", re.I)
_FIELD = re.compile(r'([a-z]+): ("?)([0-9A-Za-z._-]+)\2')
_SECTION = re.compile(r"(?:nodes|services):(?: \{\})?")
_NODE = re.compile(r'  ("(?:[^"\\]|\\.)*"|[^\s/:"]+):\s*\{\s*\}')
_SERVICE = re.compile(r"  ([a-z0-9.-]+)/([a-z0-9.-]+):\s*\{(.*)\}")
_VALUES = re.compile(
    r"\s*(?:(clusterIPs|loadBalancerIPs):\s*\[([^\]]*)\]|(nodePorts):\s*\{([^}]*)\})\s*(?:,|$)"
)
_PORT = re.compile(r"\s*([A-Za-z0-9-]+/(?:TCP|UDP|SCTP)):\s*([0-9]{1,5})\s*")
_MARKERS = ("<<<<<<< ", "=======", ">>>>>>> ", "||||||| ")


@dataclass(frozen=True, slots=True, kw_only=True)
class LockFile:
    """What the file says.  An empty ``project_id`` means that there is no file yet.

    ``nodes`` are the managed nodes, sorted; ``node_lines`` says where they stand.
    """

    project_id: str = ""
    nodes: tuple[str, ...] = ()
    services: Mapping[NamespacedName, LockEntry] = field(
        default_factory=lambda: MappingProxyType({})
    )
    node_lines: Mapping[str, Location] = field(
        default_factory=lambda: MappingProxyType({}), compare=False
    )


def new_project_id() -> str:
    """A random id for a new project (UUID version 4)."""
    return str(uuid.uuid4())


def read(path: Path) -> tuple[LockFile, list[Diagnostic]]:
    """Read the file; one that isn't there is an empty one."""
    file = shown(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return LockFile(), []
    except (OSError, UnicodeDecodeError) as error:
        reason = not_utf8(error) if isinstance(error, UnicodeDecodeError) else f"{error.strerror}."
        detail = f"The lock file can't be read: {reason} If it is broken, get it back from Git."
        return LockFile(), [_problem("SVC320", "The lock file can't be read", detail, file)]
    return parse(text, file)


def parse(text: str, file: str) -> tuple[LockFile, list[Diagnostic]]:
    """Read the text of a lock file; ``file`` is its name for people.

    A file of a newer format says nothing else than that.
    """
    reading = _Reading(file)
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            reading.take(line.rstrip(), Location(file, number, 1))
    if reading.fields.get("version", "1") != str(FORMAT):
        return LockFile(), [reading.newer()]
    return (
        LockFile(
            project_id=reading.fields.get("project", ""),
            nodes=tuple(sorted(reading.nodes)),
            services=reading.services,
            node_lines=reading.nodes,
        ),
        reading.diagnostics,
    )


def render(lock: LockFile) -> bytes:
    """The file's bytes; equal lock files give equal bytes."""
    lines = [_HEAD, f"version: {FORMAT}", f'needs: "{NEEDS}"', f"project: {lock.project_id}"]
    lines += ["nodes:", *map(node_line, sorted(lock.nodes))]
    lines += [
        "services:",
        *(service_line(key, lock.services[key]) for key in sorted(lock.services)),
    ]
    return ("\n".join(lines) + "\n").encode()


def node_line(name: str) -> str:
    """The line of a managed node."""
    return f"  {name if _PLAIN.fullmatch(name) else json.dumps(name)}: {{}}"


def service_line(key: NamespacedName, entry: LockEntry) -> str:
    """The line of a Service."""
    values = []
    if entry.cluster_ips:
        values.append(f"clusterIPs: [{_addresses(entry.cluster_ips)}]")
    if entry.node_ports:
        ports = ", ".join(f"{port}: {entry.node_ports[port]}" for port in sorted(entry.node_ports))
        values.append(f"nodePorts: {{{ports}}}")
    if entry.load_balancer_ips:
        values.append(f"loadBalancerIPs: [{_addresses(entry.load_balancer_ips)}]")
    return f"  {key}: {{{', '.join(values)}}}"


def write(path: Path, content: bytes) -> None:
    """Replace the file at once; a reader sees the old one or the new one.

    The first lock file of a Git work tree gets a line in ``.gitattributes`` beside it.
    Raises :class:`~svcform.errors.SvcformError` where the folder can't be written to.
    """
    target = path.resolve()
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    is_new = not target.exists()
    try:
        temporary.write_bytes(content)
        temporary.chmod(0o644)
        temporary.replace(target)
        if is_new and any((folder / ".git").exists() for folder in target.parents):
            _add_git_attribute(target.with_name(".gitattributes"))
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise SvcformError(f"The lock file {path} can't be written: {error.strerror}.") from error


def with_git_attribute(text: str) -> str:
    """The text of a ``.gitattributes`` file with the line that lets Git merge lock files."""
    if GIT_ATTRIBUTE in text.splitlines():
        return text
    if text and not text.endswith("\n"):
        text += "\n"
    return f"{text}{GIT_ATTRIBUTE}\n"


class _Reading:
    """Takes line by line; every line says by itself what it is."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.fields: dict[str, str] = {}
        self.nodes: dict[str, Location] = {}
        self.services: dict[NamespacedName, LockEntry] = {}
        self.diagnostics: list[Diagnostic] = []

    def take(self, line: str, where: Location) -> None:
        if line.startswith(_MARKERS):
            self._say("SVC321", "The lock file has an unresolved merge", _UNRESOLVED, where)
        elif found := _SERVICE.fullmatch(line):
            self._service(NamespacedName(found[1], found[2]), found[3], where)
        elif found := _NODE.fullmatch(line):
            name = json.loads(found[1]) if found[1].startswith('"') else found[1]
            self.nodes.setdefault(name, where)
        elif found := _FIELD.fullmatch(line):
            self._field(found[1], found[3], where)
        elif not _SECTION.fullmatch(line):
            self._not_understood(line, where)

    def newer(self) -> Diagnostic:
        needs = self.fields.get("needs", "")
        wanted = f"It needs svcform {needs} or later." if needs else "Install a newer svcform."
        return _problem(
            "SVC322",
            "The lock file is of a newer svcform",
            f"The lock file has format {self.fields['version']}, and this svcform reads format "
            f"{FORMAT}. {wanted}",
            self.file,
        )

    def _field(self, name: str, value: str, where: Location) -> None:
        before = self.fields.setdefault(name, value)
        if before == value:
            return
        detail = (
            f"The lock file says {name} {before} and {name} {value}: two projects, or two "
            "versions of svcform, were merged. Keep the line that the nodes know "
            "(svcform lock --from-nodes), and remove the other."
        )
        self._say("SVC323", "The lock file contradicts itself", detail, where)

    def _service(self, key: NamespacedName, body: str, where: Location) -> None:
        entry = _entry(body, where)
        if entry is None:
            self._not_understood(body, where)
            return
        before = self.services.setdefault(key, entry)
        if before != entry:
            detail = (
                f"{key} stands in line {before.where.line if before.where else 0} with other "
                "values: two branches allocated for it. Keep the line whose values are live, or "
                "else either of them, and remove the other."
            )
            self._say("SVC323", "The lock file contradicts itself", detail, where)

    def _not_understood(self, line: str, where: Location) -> None:
        detail = (
            f"The line {line.strip()[:60]!r} is not one that svcform writes. Get the file back "
            "from Git, or remove the line to have its values allocated again."
        )
        self._say("SVC320", "The lock file can't be read", detail, where)

    def _say(self, code: str, summary: str, detail: str, where: Location) -> None:
        self.diagnostics.append(Diagnostic(code, Severity.ERROR, summary, detail, where))


_UNRESOLVED = (
    "Git left a conflict here. Keep the lines of both sides and remove the markers; "
    f"{GIT_ATTRIBUTE!r} in .gitattributes has Git do that by itself."
)


def _entry(body: str, where: Location) -> LockEntry | None:
    found: dict[str, str] = {}
    position = 0
    while position < len(body):
        match = _VALUES.match(body, position)
        if match is None:
            return None
        found[match[1] or match[3]] = match[2] or match[4] or ""
        position = match.end()
    try:
        return LockEntry(
            cluster_ips=_read_addresses(found.get("clusterIPs", "")),
            node_ports=_read_ports(found.get("nodePorts", "")),
            load_balancer_ips=_read_addresses(found.get("loadBalancerIPs", "")),
            where=where,
        )
    except ValueError:
        return None


def _read_addresses(text: str) -> tuple[str, ...]:
    parts = [part.strip().strip('"') for part in text.split(",") if part.strip()]
    return tuple(str(ipaddress.ip_address(part)) for part in parts)


def _read_ports(text: str) -> dict[str, int]:
    ports = {}
    for part in text.split(",") if text.strip() else ():
        match = _PORT.fullmatch(part)
        if match is None or not 0 < int(match[2]) < 65536:
            raise ValueError(part)
        ports[match[1]] = int(match[2])
    return ports


def _addresses(addresses: tuple[str, ...]) -> str:
    # YAML 1.1 reads some IPv6 addresses as numbers to the base of 60.
    return ", ".join(f'"{a}"' if ":" in a else a for a in addresses)


def _add_git_attribute(path: Path) -> None:
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    after = with_git_attribute(before)
    if after != before:
        path.write_text(after, encoding="utf-8")


def _problem(code: str, summary: str, detail: str, file: str) -> Diagnostic:
    return Diagnostic(code, Severity.ERROR, summary, detail, Location(file))
