"""What a plan changes in meaning: one item for each thing that a person would name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from svcform.model.settings import ProxyMode
from svcform.plan.diff import Action, Change
from svcform.plan.plan import NodePlan
from svcform.plan.services import ServiceChange, ServiceRow
from svcform.program.layout import LAYOUT
from svcform.views.text import clean, plural, shorten

_NO_ENDPOINT = "no endpoint"
_FORWARDING = ("sysctl", "net.ipv4.ip_forward")
_MAIN_UNITS = {"svcform", "svcform.service"}
_FOLLOWER = "svcform-after-"
#: Of the files that change with DNS, those whose text an operator wants to see.
_RESOLVER_FILES = {"/etc/resolv.conf", "/etc/systemd/resolved.conf.d/svcform.conf"}
_MODES = {mode.value for mode in ProxyMode}


@dataclass(frozen=True, slots=True, order=True)
class Item:
    """One line of a plan; ``key`` tells the same thing on two nodes apart from another thing."""

    rank: int
    key: tuple[str, ...]
    action: str
    title: str
    text: str


def service_items(changes: Iterable[ServiceChange]) -> tuple[Item, ...]:
    """An item for each row of the Services' table that changes."""
    return tuple(service_item(change) for change in changes)


def other_items(node: NodePlan) -> tuple[Item, ...]:
    """Host settings and repairs; where only objects change, how many do."""
    drift = set(node.drift)
    found: list[Item] = []
    units = [change for change in node.changes if _is_unit(change)]
    found += [_units_item(action, units) for action in {change.action for change in units}]
    for change in node.changes:
        if _is_unit(change):
            continue
        if change.address.backend in _PLAIN:
            found.append(_PLAIN[change.address.backend](change))
        elif change.address in drift and not _goes_anyway(node, change):
            found.append(_repair_item(change))
    if node.project and not node.absent and node.layout != LAYOUT:
        found.append(_layout_item(node))
    modes = _mode_change(node)
    if modes:
        text = " -> ".join(modes)
        found.append(Item(0, ("proxy mode", text), "~", "proxy mode", text))
    elif not found and not node.service_changes:
        found = _silent_items(node)
    return tuple(sorted(found))


def _mode_change(node: NodePlan) -> tuple[str, str] | None:
    """The old mode and the new one, where all of one's objects go and only another's come."""
    actions: dict[str, set[Action]] = {}
    for change in node.changes:
        if change.address.backend in _MODES:
            actions.setdefault(change.address.backend, set()).add(change.action)
    gone = [mode for mode, found in actions.items() if found == {Action.DELETE}]
    come = [mode for mode, found in actions.items() if found == {Action.CREATE}]
    return (gone[0], come[0]) if len(gone) == len(come) == 1 else None


def _layout_item(node: NodePlan) -> Item:
    text = f"{node.layout} -> {LAYOUT}, no change in meaning"
    return Item(0, ("layout", text), "~", "layout", text)


def _goes_anyway(node: NodePlan, change: Change) -> bool:
    """Whether the node is emptied, and this with it: then it is no repair."""
    return node.absent and change.after is None


def service_item(change: ServiceChange) -> Item:
    """One row of the Services' table: what it gains, loses, or that it comes or goes."""
    row = change.after or change.before
    if row is None:
        message = "a change needs a row before or after"
        raise ValueError(message)
    title = f"{row.name} {row.protocol}" + (" (IPv6)" if row.family == "IPv6" else "")
    if change.before is None:
        action, text = "+", _whole(row)
    elif change.after is None:
        action, text = "-", ", ".join(row.frontends)
    else:
        action, text = "~", "; ".join(differences(change.before, change.after))
    return Item(1, (row.name, row.protocol, row.family), action, clean(title), clean(text))


def _whole(row: ServiceRow) -> str:
    count = len(row.endpoints)
    target = plural(count, "endpoint") if count else _NO_ENDPOINT
    notes = f"  ({', '.join(row.notes)})" if row.notes else ""
    return f"{', '.join(row.frontends) or 'nothing'} -> {target}{notes}"


def differences(before: ServiceRow, after: ServiceRow) -> list[str]:
    """What a user of the Service would notice, in short phrases."""
    found = _frontend_differences(before, after)
    lost = [e for e in before.endpoints if e not in set(after.endpoints)]
    gained = [e for e in after.endpoints if e not in set(before.endpoints)]
    if gained:
        found.append(f"gains {shorten(gained)}")
    if lost:
        found.append(f"loses {shorten(lost)}")
    if lost and not after.endpoints:
        found.append("no endpoint is left")
    new_notes = [n for n in after.notes if n not in before.notes]
    old_notes = [n for n in before.notes if n not in after.notes]
    found += [f"now {note}" for note in new_notes]
    found += [f"no longer {note}" for note in old_notes]
    return found or ["no change in meaning"]


def renumbered(before: ServiceRow, after: ServiceRow) -> list[tuple[str, str]]:
    """Frontends of one kind that have another address or port now: pairs of texts."""
    old = [f for f in before.frontends if f not in after.frontends]
    new = [f for f in after.frontends if f not in before.frontends]
    return [
        (a, b)
        for a in old
        for b in new
        if a.partition(" ")[0] == b.partition(" ")[0]
        and sum(x.partition(" ")[0] == a.partition(" ")[0] for x in old) == 1
        and sum(x.partition(" ")[0] == b.partition(" ")[0] for x in new) == 1
    ]


def _frontend_differences(before: ServiceRow, after: ServiceRow) -> list[str]:
    moved = renumbered(before, after)
    gone = {a for a, _ in moved}
    come = {b for _, b in moved}
    found = [f"renumbered {a} -> {b.partition(' ')[2]}" for a, b in moved]
    opened = [f for f in after.frontends if f not in before.frontends and f not in come]
    closed = [f for f in before.frontends if f not in after.frontends and f not in gone]
    if opened:
        found.append(f"opens {', '.join(opened)}")
    if closed:
        found.append(f"closes {', '.join(closed)}")
    return found


_SIGNS = {Action.CREATE: "+", Action.UPDATE: "~", Action.DELETE: "-"}


def _host_item(change: Change) -> Item:
    title = " ".join(("host", *change.address.path[:1]))
    before = ", ".join(change.before.lines()) if change.before else ""
    after = ", ".join(change.after.lines()) if change.after else ""
    text = f"{before} -> {after}" if before and after else (after or before)
    if not after and change.address.path == _FORWARDING:
        text = f"{change.address.path[1]} is svcform's no more, and stays on"
    return Item(0, tuple(change.address.path), _SIGNS[change.action], clean(title), clean(text))


def _is_unit(change: Change) -> bool:
    return change.address.backend == "host" and change.address.path[0] == "unit"


def _units_item(action: Action, changes: Iterable[Change]) -> Item:
    """All service files that come, change or go: what they are for, or which they are."""
    names = [change.address.path[1] for change in changes if change.action is action]
    text = "bring Services back after a reboot"
    if any(name.startswith(_FOLLOWER) for name in names):
        text += " or a firewall's restart"
    if action is Action.UPDATE or not _MAIN_UNITS & {*names}:
        text = clean(shorten(names, 3))
    title = f"host boot units ({len(names)})"
    return Item(0, ("unit", action.value), _SIGNS[action], title, text)


def _dns_item(change: Change) -> Item:
    """A record set as dig shows it; of a file and the service, that it changes."""
    before = change.before.lines() if change.before else ()
    after = change.after.lines() if change.after else ()
    path = change.address.path
    if len(path) < 3:
        words = {Action.CREATE: "comes", Action.UPDATE: "changes", Action.DELETE: "goes"}
        title, text = ("dns", *path), words[change.action]
        if path[-1] in _RESOLVER_FILES and change.after is not None:
            text = "; ".join(line for line in after if line[:1] not in {"#", "["})
        elif path[0] == "binary":
            text = after[0] if after else "goes"
        elif path[-1] in _RESOLVER_FILES:
            text = "goes back to what it was"
    else:
        old, new = (", ".join(map(_rdata, lines)) for lines in (before, after))
        title, text = (*path[1:], f"{old} -> {new}" if before and after else (new or old)), ""
    return Item(2, ("dns", *path), _SIGNS[change.action], clean(" ".join(title)), clean(text))


def _rdata(line: str) -> str:
    """What stands behind ``NAME TTL IN TYPE``, or in a remark."""
    return line.lstrip("; ") if line.startswith(";") else line.split(" ", 4)[-1]


_PLAIN = {"host": _host_item, "coredns": _dns_item}

_REPAIRS = {
    Action.CREATE: "is missing on the node: put back",
    Action.UPDATE: "was changed by somebody else: put back",
    Action.DELETE: "does not belong here: removed",
}


def _repair_item(change: Change) -> Item:
    title = str(change.address)
    text = _REPAIRS[change.action]
    return Item(2, tuple(change.address.path), _SIGNS[change.action], clean(title), text)


def _silent_items(node: NodePlan) -> list[Item]:
    """Objects change and no Service does: another layout, or settings that Services don't show."""
    backends = sorted({change.address.backend for change in node.changes})
    return [
        Item(
            3,
            (backend,),
            "~",
            clean(backend),
            f"{plural(count, 'object')} rewritten, no change in meaning",
        )
        for backend in backends
        for count in [sum(c.address.backend == backend for c in node.changes)]
    ]
