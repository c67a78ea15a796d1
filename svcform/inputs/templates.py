"""Manifests that are Jinja2 templates (``.j2``), rendered in a sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from svcform.diagnostics import Diagnostic, Location, Severity
from svcform.inputs.sources import Source

_environment = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined,
    trim_blocks=True,  # as Ansible's `template` has it
    keep_trailing_newline=True,
    autoescape=False,  # YAML is written, not HTML; what comes out is checked as YAML
)


def render(source: Source, variables: Mapping[str, Any]) -> tuple[Source, list[Diagnostic]]:
    """The source with its rendered text; after an error the text is empty.

    Undefined variables are errors, and nothing of Python's is reachable from a template.
    """
    try:
        template = _environment.from_string(source.text)
        text = template.render(dict(variables))
    except TemplateSyntaxError as error:
        return _failed(source, error.lineno, str(error.message))
    except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        return _failed(source, _line(error), str(error))
    except MemoryError:
        return _failed(source, 0, "its text is too large")
    except RecursionError:
        return _failed(source, 0, "it calls itself without end")
    return replace(source, text=text, template=source.text), []


def _line(error: Exception) -> int:
    # The innermost frame of the template's own code; Jinja2 maps it to the template's lines.
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _failed(source: Source, line: int, reason: str) -> tuple[Source, list[Diagnostic]]:
    where = Location(source.file, line, 1 if line else 0)
    detail = (
        f"The template can't be rendered: {reason.rstrip('.')}. It sees the variables of the play "
        "and of the group `all`, never those of a host."
    )
    found = Diagnostic("SVC156", Severity.ERROR, "The template has an error", detail, where)
    return replace(source, text="", template=source.text), [found]
