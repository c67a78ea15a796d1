"""``svcform init``: a project that plans cleanly, in a new or an existing folder."""

from __future__ import annotations

import ipaddress
import re
import socket
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from svcform import data
from svcform.cli.console import Console, console
from svcform.cli.parser import Subparsers, add_output
from svcform.errors import UsageError
from svcform.inputs import lockfile
from svcform.views.plan_json import document

_SCHEMAS = ".schemas"
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_PODS = ("10.244.1.5", "10.244.1.6", "10.244.1.7")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Host:
    """A host as the template writes it; ``note`` is a comment above it."""

    name: str
    variables: tuple[tuple[str, str], ...]
    note: str = ""


def add(subparsers: Subparsers) -> None:
    """Add the command's grammar."""
    parser = subparsers.add_parser("init", help="write a project that plans cleanly")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(), help="the folder (.)")
    parser.add_argument(
        "--hosts", metavar="A,B,C",
        help="the machines, as names, addresses or name=address; replicas run on them",
    )  # fmt: skip
    parser.add_argument("--port", type=int, help="the port that the replicas listen on (80)")
    add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Write the files that are not there yet; what is there stays as it is."""
    out = console(arguments)
    port = 80 if arguments.port is None else arguments.port
    if not 1 <= port <= 65535:
        raise UsageError(f"--port is {port}; a port is a number from 1 to 65535.")
    files = project_files(arguments.hosts, port)
    try:
        written, kept = _write(arguments.folder, files)
    except OSError as error:
        raise UsageError(f"{error.filename} can't be written: {error.strerror}.") from error
    _report(arguments, out, written, kept)
    return 0


def project_files(hosts: str | None, port: int) -> dict[str, str]:
    """The project's files by their path: for the named hosts, or for this machine."""
    name = "web" if hosts else "myapp"
    listed = _named(hosts) if hosts else _this_machine()
    placements = [host.name for host in listed] if hosts else [f"{ip}@node-1" for ip in _PODS]
    values = {
        "hosts": listed, "name": name, "port": port, "placements": placements,
        "pattern": "edge" if hosts else "all",
        "replicas": len(placements), "schemas": _SCHEMAS,
    }  # fmt: skip
    files = {
        "inventory.yml": _rendered("inventory.yml.j2", values),
        "playbooks/site.yml": _rendered("site.yml.j2", values),
        f"services/{name}.yml": _rendered("service.yml.j2", values),
        f"services/{name}-deployment.yml": _rendered("deployment.yml.j2", values),
        ".gitattributes": lockfile.with_git_attribute(""),
        ".gitignore": _rendered("gitignore.j2", values),
    }
    for schema in ("inventory", "playbook", "service", "deployment"):
        name = f"{schema}.schema.json"
        files[f"{_SCHEMAS}/{name}"] = data.read_text("schemas", name)
    return files


def _rendered(template: str, values: dict[str, Any]) -> str:
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - YAML, not HTML; every value was checked by _checked
    )
    return environment.from_string(data.read_text("templates", f"init/{template}")).render(values)


def _this_machine() -> tuple[_Host, ...]:
    variables = (("ansible_connection", "local"), ("pod_cidrs", "[10.244.1.0/24]"))
    note = "This machine. A node over SSH: `edge-1: {ansible_host: 192.0.2.11, ansible_user: ops}`"
    return (_Host(name="node-1", variables=variables, note=note),)


def _named(hosts: str) -> tuple[_Host, ...]:
    words = [word.strip() for word in hosts.split(",") if word.strip()]
    if not words:
        raise UsageError("--hosts names no machine; write --hosts edge-1,edge-2.")
    listed = tuple(_host(word, number) for number, word in enumerate(words, start=1))
    names = [host.name for host in listed]
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        raise UsageError(f"--hosts names {doubles[0]} twice.")
    return listed


def _host(word: str, number: int) -> _Host:
    name, equals, address = word.partition("=")
    if not equals and _is_address(word):
        name, address = f"node-{number}", word
    if not _NAME.fullmatch(name):
        raise UsageError(f"--hosts has {name!r}, which is no host name.")
    if equals and not _is_address(address):
        raise UsageError(f"--hosts has {word!r}; behind the = stands an IP address.")
    note = ""
    if not address:
        address = _resolved(name)
    if not address:
        address = f"192.0.2.{10 + number}"
        note = f"{name} did not resolve: put its address here"
    return _Host(name=name, variables=(("ansible_host", _quoted(address)),), note=note)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def _quoted(address: str) -> str:
    return f'"{address}"' if ":" in address else address


def _resolved(name: str) -> str:
    """The name's first address, IPv4 before IPv6; empty where nobody knows it."""
    try:
        found = socket.getaddrinfo(name, 22, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ""
    addresses = sorted({str(entry[4][0]) for entry in found}, key=lambda a: (":" in a, a))
    return next((a for a in addresses if _is_address(a)), "")


def _write(folder: Path, files: dict[str, str]) -> tuple[list[str], list[str]]:
    written, kept = [], []
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            kept.append(name)
        else:
            written.append(name)
    return written, kept


def _report(arguments: Namespace, out: Console, written: list[str], kept: list[str]) -> None:
    if out.json:
        out.result(document("init", {"written": written, "kept": kept}))
        return
    for name in written:
        out.result(f"wrote {name}\n")
    for name in kept:
        out.result(f"kept  {name} (it was there already)\n")
    if arguments.hosts is None and written:
        out.say("Next: put your nodes into inventory.yml, or try it with `svcform lab up`.")
    place = "" if arguments.folder == Path() else f" -C {arguments.folder}"
    out.say(f"Then: svcform plan{place}")
