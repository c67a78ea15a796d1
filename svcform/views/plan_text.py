"""A plan for people: per class of nodes, what changes in meaning; a count line at the end."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from svcform.diagnostics import Diagnostic
from svcform.plan.plan import Plan, Problem
from svcform.views.classes import NodeClass, Summary, classes, problems, summary
from svcform.views.diagnostics import human as human_diagnostics
from svcform.views.folding import fold_records
from svcform.views.meaning import Item
from svcform.views.rules import painted
from svcform.views.text import Palette, clean, clean_lines, joined, plural, shorten

_ACTION_COLOURS = {"+": "green", "~": "yellow", "-": "red"}


def plan_text(plan: Plan, digest: str, palette: Palette, *, rules: bool = False) -> str:
    """The whole plan as text, ending with the counts and the digest."""
    listed = classes(plan, rules=rules)
    lines: list[str] = []
    for node_class in listed:
        lines += _class_lines(node_class, palette)
        lines.append("")
    text = joined(lines) + _caveats(plan, palette) + problems_text(plan, palette)
    refusals = human_diagnostics(plan.refusals, palette, notices=True)
    text += refusals + "\n" if refusals else ""
    return text + joined(_closing(plan, summary(plan, listed), digest, palette))


def _class_lines(node_class: NodeClass, palette: Palette) -> list[str]:
    names = clean(shorten(node_class.nodes, 4))
    count = f" ({plural(len(node_class.nodes), 'node')})" if len(node_class.nodes) > 1 else ""
    emptied = "  everything of svcform's goes" if node_class.absent else ""
    head = palette.paint(f"{names}{count}", "bold") + emptied
    items = node_class.items if node_class.rules else fold_records(node_class.items)
    lines = [head, *aligned(items, palette)]
    return lines + [painted(line, palette) for line in node_class.rules]


def aligned(found: Iterable[Item], palette: Palette) -> list[str]:
    """Items as lines, their texts in one column as far as titles are of usual length."""
    listed = list(found)
    widths = [len(item.title) for item in listed if len(item.title) <= 44]
    width = max(widths, default=0)
    return [
        f"  {palette.paint(item.action, _ACTION_COLOURS[item.action])} "
        f"{item.title.ljust(width)}  {item.text}".rstrip()
        for item in listed
    ]


def _caveats(plan: Plan, palette: Palette) -> str:
    """What the nodes' own state has to say, each finding once with its nodes."""
    found: dict[Diagnostic, list[str]] = {}
    for node in plan.nodes:
        for diagnostic in node.diagnostics:
            found.setdefault(_of_any_node(diagnostic, node.node), []).append(node.node)
    text = ""
    for diagnostic, names in found.items():
        head = palette.paint(f"{clean(shorten(names, 4))}: ", "bold")
        text += head + human_diagnostics([diagnostic], palette, notices=True)
    return text + "\n" if text else ""


def _of_any_node(diagnostic: Diagnostic, name: str) -> Diagnostic:
    """The finding without the node's name: a thousand nodes may have the same to say.

    Only behind "on" or "at": a table may have the same name, and the detail has commands.
    """
    place = rf"\b(On|on|at) {re.escape(name)}(?![\w-]|\.\w)"
    return replace(diagnostic, detail=re.sub(place, r"\1 the node", diagnostic.detail))


def problems_text(plan: Plan, palette: Palette) -> str:
    """Each node that has no plan, in its own words, with what to do."""
    lines: list[str] = []
    for problem, names in problems(plan):
        head = palette.paint(f"{clean(shorten(names, 4))}:", "bold")
        lines += [f"{head} {palette.paint('no plan', 'red')}", *problem_lines(problem), ""]
    return joined(lines)


def problem_lines(problem: Problem) -> list[str]:
    """The message and the remedy, indented."""
    texts = [problem.message, problem.remedy]
    return [f"    {line}" for text in texts if text for line in clean_lines(text)]


def _closing(plan: Plan, counts: Summary, digest: str, palette: Palette) -> list[str]:
    lines = []
    if plan.is_empty:
        nodes = plural(len(plan.nodes), "node")
        verb = "is" if len(plan.nodes) == 1 else "are"
        lines.append(
            f"{palette.paint('No changes.', 'green', 'bold')} {nodes} {verb} as described."
        )
    elif counts.nodes:
        lines.append(palette.paint(count_line(counts), "bold"))
    if counts.unplanned:
        verb = "has" if counts.unplanned == 1 else "have"
        words = f"{plural(counts.unplanned, 'node')} {verb} no plan (see above)."
        lines.append(palette.paint(words, "red"))
    if plan.refusals:
        lines.append(palette.paint("This plan is refused as it stands (see above).", "red"))
    return [*lines, f"Digest: {digest}"]


def count_line(counts: Summary) -> str:
    """The counts as one line: ``Plan: 3 to add, 1 to change, 0 to remove on 3 nodes``."""
    return (
        f"Plan: {counts.add} to add, {counts.change} to change, {counts.remove} to remove "
        f"on {plural(counts.nodes, 'node')}."
    )
