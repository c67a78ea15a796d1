"""Templates of files that a project has in place of svcform's own: ``templates/`` in its folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from svcform.diagnostics import Diagnostic, Location, Severity
from svcform.inputs.marked_files import shown
from svcform.lang import corefile, unit_file
from svcform.lang.template import TemplateMistake, unknown_names
from svcform.model.template import Template

_Render = Callable[[Template], None]


def _corefile(template: Template) -> None:
    for serving in corefile.EXAMPLES:
        corefile.write(template, serving)


def _unit(template: Template) -> None:
    unit_file.write(template, unit_file.EXAMPLE)


#: Those that there are, by their name: what they see, and a rendering with examples.
KNOWN: Mapping[str, tuple[Sequence[str], _Render]] = {
    "dns/Corefile": (corefile.NAMES, _corefile),
    "dns/svcform-coredns.service": (unit_file.NAMES, _unit),
}


def read_templates(root: Path) -> tuple[Mapping[str, Template], list[Diagnostic]]:
    """A project's templates by name, and what is wrong with them."""
    found: dict[str, Template] = {}
    problems: list[Diagnostic] = []
    for name, (names, render) in KNOWN.items():
        path = root / "templates" / f"{name}.j2"
        if not path.is_file():
            continue
        try:
            template = Template(path.read_text(encoding="utf-8"), shown(path))
        except (OSError, UnicodeDecodeError) as error:
            nothing = Template("", shown(path))
            problems.append(TemplateMistake(nothing, 0, f"it can't be read: {error}").diagnostic())
            continue
        found[name] = template
        problems += _mistakes(template, names, render)
    problems += _unused(root)
    return MappingProxyType(found), problems


def _mistakes(template: Template, names: Sequence[str], render: _Render) -> list[Diagnostic]:
    mistakes = list(unknown_names(template, names))
    if not mistakes:
        try:
            render(template)
        except TemplateMistake as error:
            mistakes.append(error)
    return [found.diagnostic() for found in mistakes]


def _unused(root: Path) -> Iterator[Diagnostic]:
    """Files beside them that look as if they were meant to be used."""
    for folder in sorted({name.partition("/")[0] for name in KNOWN}):
        for path in sorted((root / "templates" / folder).glob("*")):
            if f"{folder}/{path.name.removesuffix('.j2')}" not in KNOWN or path.suffix != ".j2":
                names = ", ".join(f"templates/{name}.j2" for name in KNOWN)
                yield Diagnostic(
                    "SVC159",
                    Severity.WARNING,
                    "A template is not used",
                    f"svcform has no template of this name. A project can have: {names}.",
                    Location(shown(path)),
                )
