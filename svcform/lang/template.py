"""Jinja2 templates, rendered in a sandbox: nothing of Python's is reachable from one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from svcform.diagnostics import Diagnostic, Location, Severity
from svcform.model.template import Template

_environment = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined,
    trim_blocks=True,  # as Ansible's `template` has it
    keep_trailing_newline=True,
    autoescape=False,  # no HTML is written; what comes out is checked in its own language
)


_TAG = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}")


class TemplateMistake(ValueError):
    """What is wrong with a template; ``line`` is its own, from 1, or 0 for the whole."""

    def __init__(self, template: Template, line: int, reason: str) -> None:
        super().__init__(reason)
        self.file = template.file
        self.line = line
        self.reason = reason.rstrip(".")

    def diagnostic(self) -> Diagnostic:
        """The finding, for a template of a file."""
        return Diagnostic(
            "SVC158",
            Severity.ERROR,
            "A template of a file has an error",
            f"{self.file} can't be used: {self.reason}. Correct it, or remove the file.",
            Location(self.file, self.line, 1 if self.line else 0),
        )


def render_template(template: Template, values: Mapping[str, object]) -> str:
    """What a template makes of some values; raises TemplateMistake."""
    try:
        return _compiled(template.text).render(dict(values))
    except TemplateSyntaxError as error:
        raise TemplateMistake(template, error.lineno, str(error.message)) from error
    except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise TemplateMistake(template, _line(error), str(error)) from error
    except MemoryError as error:
        raise TemplateMistake(template, 0, "its text is too large") from error
    except RecursionError as error:
        raise TemplateMistake(template, 0, "it calls itself without end") from error


_compiled = lru_cache(maxsize=64)(_environment.from_string)


def unknown_names(template: Template, known: Sequence[str]) -> Iterator[TemplateMistake]:
    """The variables that a template wants and nobody sets; none where its syntax is wrong."""
    try:
        tree = _environment.parse(template.text)
    except TemplateSyntaxError:
        return
    for name in sorted(meta.find_undeclared_variables(tree) - set(known)):
        lines = [found.lineno for found in tree.find_all(nodes.Name) if found.name == name]
        reason = f"there is no {name!r}, but {', '.join(known)}"
        yield TemplateMistake(template, min(lines, default=0), reason)


def line_of(template: Template, line: str) -> int:
    """Where in the template a line of its text is made: the likeliest line, or 0.

    Jinja2 knows that of its own errors only.
    """
    found, length = 0, 0
    for number, written in enumerate(template.text.splitlines(), start=1):
        literals = _TAG.split(written)
        size = len("".join(literals).strip())
        if size > length and re.fullmatch(".*".join(map(re.escape, literals)), line):
            found, length = number, size
    return found


def _line(error: Exception) -> int:
    # The innermost frame of the template's own code; Jinja2 maps it to the template's lines.
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
