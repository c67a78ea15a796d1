"""``svcform lab``: real nodes on this machine, to try things on."""

from __future__ import annotations

import ipaddress
import subprocess
import sys
from argparse import REMAINDER, Namespace
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from svcform.cli import parser as flags
from svcform.cli.console import console
from svcform.cli.demo import run as run_demo
from svcform.errors import LabError, UsageError
from svcform.lab import lab, spec
from svcform.views.plan_json import document
from svcform.views.text import clean, columns, joined, plural

_FOLDER = Path(".lab")


def add(subparsers: flags.Subparsers) -> None:
    """Add the command's grammar."""
    parser = subparsers.add_parser("lab", help="real test nodes on this machine")
    actions = parser.add_subparsers(
        dest="action", metavar="ACTION", required=True, parser_class=flags.Parser
    )
    up = _action(actions, "up", _up, "bring nodes up and write an inventory of them")
    up.add_argument("--nodes", type=flags.positive, default=3, metavar="N", help="how many (3)")
    up.add_argument(
        "--endpoints", type=flags.positive, default=1, metavar="N", help="behind each node (1)"
    )
    up.add_argument("--embedded", action="store_true", help="one node that needs no SSH")
    _action(actions, "down", _down, "take the lab away")
    _action(actions, "status", _status, "what runs, and where")
    ask = _action(actions, "ask", _ask, "send requests from the lab, and count who answered")
    ask.add_argument("frontend", metavar="ADDRESS:PORT", help="what to ask")
    ask.add_argument("--from", dest="source", default="client", metavar="NAME", help="(client)")
    ask.add_argument("--count", type=flags.positive, default=30, metavar="N", help="(30)")
    ask.add_argument("--udp", action="store_true", help="by UDP instead of TCP")
    execute = _action(actions, "exec", _exec, "run a command in a place of the lab")
    execute.add_argument("place", help="a node, an endpoint, client or controller")
    execute.add_argument("words", nargs=REMAINDER, metavar="COMMAND", help="and its arguments")
    for name, run, text in (
        ("reboot", _reboot, "cut a node's power, and boot it again on its disk"),
        ("cut", _cut, "cut the wire of a node, both ways"),
        ("mend", _mend, "mend the wire that was cut"),
    ):
        _action(actions, name, run, text).add_argument("node", help="its name in the inventory")
    demo = actions.add_parser("demo", help="Services on a node, from plan to destroy")
    flags.add_output(demo)
    demo.set_defaults(run=run_demo)


def _action(
    actions: flags.Subparsers, name: str, run: Callable[[Namespace], int], text: str
) -> flags.Parser:
    parser: flags.Parser = actions.add_parser(name, help=text)
    parser.add_argument(
        "--dir", type=Path, default=_FOLDER, metavar="DIR", help="the lab's folder (.lab)"
    )
    flags.add_output(parser)
    parser.set_defaults(run=run)
    return parser


def _up(arguments: Namespace) -> int:
    out = console(arguments)
    if arguments.embedded:
        wanted = spec.embedded(arguments.dir, arguments.endpoints)
    else:
        wanted = spec.cluster(arguments.dir, arguments.nodes, arguments.endpoints)
    built = lab.up(wanted)
    out.say(f"{plural(len(built.state['nodes']), 'node')} up; {_how_to_use(arguments.dir)}")
    out.result(_table(built))
    return 0


def _how_to_use(folder: Path) -> str:
    return f"use them with: svcform plan -i {folder / 'inventory.yml'}"


def _down(arguments: Namespace) -> int:
    out = console(arguments)
    found = lab.down(arguments.dir)
    out.say("The lab is down." if found else f"There is no lab in {arguments.dir}.")
    return 0


def _status(arguments: Namespace) -> int:
    out = console(arguments)
    running = lab.status(arguments.dir)
    if out.json:
        out.result(document("lab", {"running": running is not None, "places": _places(running)}))
    elif running is None:
        out.result(f"No lab runs in {arguments.dir}.\n")
    else:
        out.result(_table(running))
    return 0 if running else 1


def _places(running: lab.Lab | None) -> list[dict[str, object]]:
    if running is None:
        return []
    kinds = (("node", "nodes"), ("endpoint", "endpoints"))
    return [
        {"name": name, "kind": kind, "addresses": list(place["addresses"])}
        for kind, key in kinds
        for name, place in running.state[key].items()
    ]


def _table(running: lab.Lab) -> str:
    rows = [("NAME", "KIND", "ADDRESSES")]
    for place in _places(running):
        addresses = place["addresses"]
        words = " ".join(map(str, addresses)) if isinstance(addresses, list) else ""
        rows.append((str(place["name"]), str(place["kind"]), words))
    return joined(columns(rows))


def _running(arguments: Namespace) -> lab.Lab:
    running = lab.status(arguments.dir)
    if running is None:
        raise LabError(f"No lab runs in {arguments.dir}; bring one up with: svcform lab up")
    return running


def _ask(arguments: Namespace) -> int:
    out = console(arguments)
    address, port = _frontend(arguments.frontend)
    protocol = "UDP" if arguments.udp else "TCP"
    words = ["-m", "svcform.lab.ask", address, str(port), protocol, str(arguments.count)]
    done = _running(arguments).run(
        arguments.source,
        [sys.executable, *words],
        timeout=5.0 * arguments.count + 10,
        machine=False,
    )
    if done.returncode != 0:
        raise LabError(f"Nothing can be asked from {arguments.source}.")
    answers = Counter(map(_who, done.stdout.decode().splitlines()))
    if out.json:
        out.result(document("ask", {"answers": dict(sorted(answers.items()))}))
    else:
        out.result(joined(f"{count:4} {clean(who)}" for who, count in sorted(answers.items())))
    return 1 if any(who.startswith("error=") for who in answers) else 0


def _who(line: str) -> str:
    """The endpoint's name, or why nobody answered."""
    return line if line.startswith("error=") else line.partition(" ")[0]


def _frontend(text: str) -> tuple[str, int]:
    address, _, port = text.rpartition(":")
    try:
        return str(ipaddress.ip_address(address.strip("[]"))), int(port)
    except ValueError:
        raise UsageError(f"{text!r} is no ADDRESS:PORT, such as 10.96.0.17:80.") from None


def _exec(arguments: Namespace) -> int:
    words = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
    if not words:
        raise UsageError("There is no command; write: svcform lab exec node-1 iptables-save")
    command = _running(arguments).command(arguments.place, words)
    return subprocess.run(command, check=False).returncode


def _reboot(arguments: Namespace) -> int:
    _running(arguments).reboot(arguments.node)
    console(arguments).say(f"{arguments.node} has booted.")
    return 0


def _cut(arguments: Namespace) -> int:
    _running(arguments).cut(arguments.node)
    console(arguments).say(f"{arguments.node} can't be reached until: svcform lab mend")
    return 0


def _mend(arguments: Namespace) -> int:
    _running(arguments).mend(arguments.node)
    console(arguments).say(f"{arguments.node} can be reached again.")
    return 0
