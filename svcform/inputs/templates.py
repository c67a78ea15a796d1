"""Manifests that are Jinja2 templates (``.j2``), rendered in a sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from svcform.diagnostics import Diagnostic, Location, Severity
from svcform.inputs.sources import Source
from svcform.lang.template import TemplateMistake, render_template
from svcform.model.template import Template


def render(source: Source, variables: Mapping[str, Any]) -> tuple[Source, list[Diagnostic]]:
    """The source with its rendered text; after an error the text is empty.

    Undefined variables are errors, and nothing of Python's is reachable from a template.
    """
    try:
        text = render_template(Template(source.text, source.file), variables)
    except TemplateMistake as mistake:
        return _failed(source, mistake)
    return replace(source, text=text, template=source.text), []


def _failed(source: Source, mistake: TemplateMistake) -> tuple[Source, list[Diagnostic]]:
    where = Location(source.file, mistake.line, 1 if mistake.line else 0)
    detail = (
        f"The template can't be rendered: {mistake.reason}. It sees the variables of the play "
        "and of the group `all`, never those of a host."
    )
    found = Diagnostic("SVC156", Severity.ERROR, "The template has an error", detail, where)
    return replace(source, text="", template=source.text), [found]
