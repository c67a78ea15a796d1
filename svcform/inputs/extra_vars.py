"""``-e``: variables of the command line, over all others."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from svcform.diagnostics import Diagnostic, Location, Severity
from svcform.inputs.groups import Layer
from svcform.inputs.marked import MarkedDocument, read_marked
from svcform.inputs.marked_files import read_file
from svcform.inputs.vault import VaultSecret

#: What messages call the place: never the argument itself, which may hold a secret.
_PLACE = "--extra-vars"


def read_extra_vars(
    arguments: Sequence[str], secrets: Sequence[VaultSecret]
) -> tuple[list[Layer], list[Diagnostic]]:
    """The variables of each ``-e``: ``name=value …``, YAML or JSON, or ``@file``."""
    layers: list[Layer] = []
    problems: list[Diagnostic] = []
    for argument in filter(None, arguments):
        document, found = _read(argument, secrets)
        problems += found
        if document is None or not document.value:
            continue
        value = document.value
        if isinstance(value, dict) and all(isinstance(name, str) for name in value):
            layers.append(Layer(value, document))
        else:
            detail = "-e takes `name=value`, a mapping in YAML or JSON, or `@file`."
            problems.append(_wrong(detail, document.location()))
    return layers, problems


def _read(
    argument: str, secrets: Sequence[VaultSecret]
) -> tuple[MarkedDocument | None, list[Diagnostic]]:
    if argument.startswith("@"):
        return read_file(Path(argument[1:]).expanduser(), secrets)
    if argument[0] in "[{":
        return read_marked(argument, _PLACE)
    if argument[0] in "/.":
        detail = f"Write -e @{argument} to read a file of variables."
        return None, [_wrong(detail, Location(_PLACE))]
    return _read_pairs(argument)


def _read_pairs(argument: str) -> tuple[MarkedDocument | None, list[Diagnostic]]:
    try:
        words = shlex.split(argument)
    except ValueError as error:
        detail = f"-e can't be split into `name=value`: {error}."
        return None, [_wrong(detail, Location(_PLACE))]
    if not all(word.partition("=")[0] and "=" in word for word in words):
        detail = "-e takes `name=value`; a word in it has no `=`."
        return None, [_wrong(detail, Location(_PLACE))]
    value = {name: text for name, _, text in (word.partition("=") for word in words)}
    return MarkedDocument(file=_PLACE, value=value), []


def _wrong(detail: str, where: Location) -> Diagnostic:
    return Diagnostic("SVC114", Severity.ERROR, "-e is not understood", detail, where)
