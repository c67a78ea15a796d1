"""Objects against their JSON Schemas: a fast validator that only accepts, and one that explains."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import jsonschema_rs

from svcform.diagnostics import Diagnostic, Origin, Severity
from svcform.inputs.kinds import SERVICE
from svcform.inputs.locate import KEY
from svcform.inputs.manifests import RawObject
from svcform.inputs.schema_files import schema
from svcform.inputs.service_checks import check_sound_parts
from svcform.inputs.yaml_read import read_again

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError

Validation = Literal["strict", "warn", "ignore"]
Path = tuple[str | int, ...]


@lru_cache(maxsize=32)
def _fast(name: str) -> Callable[[Any], bool]:
    return jsonschema_rs.validator_for(schema(name)).is_valid


@lru_cache(maxsize=32)
def _thorough(name: str) -> Draft202012Validator:
    import jsonschema  # noqa: PLC0415 - takes 50 ms, and most runs have nothing to explain

    return jsonschema.Draft202012Validator(schema(name))


def validate(
    objects: Iterable[RawObject], validation: Validation
) -> tuple[list[RawObject | None], list[Diagnostic]]:
    """The objects (None for one that is too wrong to be used further), and all findings.

    An unknown field is an error (``strict``), a warning (``warn``) or nothing (``ignore``), as for
    kubectl; for an object that comes out of a cluster (it has a resourceVersion) never an error.
    """
    found: list[Diagnostic] = []
    kept: list[RawObject | None] = []
    for item in objects:
        if not item.document.ambiguous and _is_valid(item):
            kept.append(item)
            continue
        again, problems = _with_text_keys(item)
        problems += _findings(again, validation)
        found += problems
        broken = any(problem.severity is Severity.ERROR for problem in problems)
        if broken and item.kind is SERVICE:
            found += check_sound_parts(again, problems)
        kept.append(None if broken else again)
    return kept, found


def _is_valid(item: RawObject) -> bool:
    try:
        return _fast(item.kind.schema)(item.value)
    except ValueError:  # a key that is no text
        return False


def _with_text_keys(item: RawObject) -> tuple[RawObject, list[Diagnostic]]:
    if item.document.ambiguous or not item.document.source.text:
        return item, []  # the slow reader has already read it, or nobody ever did
    document, problems = read_again(item.document)
    value = document.value
    for step in item.path:
        value = value[step]
    for name in ("kind", "apiVersion"):  # a typed list's items may lack them
        value.setdefault(name, item.value[name])
    return item._replace(value=value, document=document), problems


def _findings(item: RawObject, validation: Validation) -> Iterator[Diagnostic]:
    yield from _ambiguous(item)
    ambiguous = {path for path, _ in item.document.ambiguous}
    metadata = item.value.get("metadata")
    is_dump = isinstance(metadata, dict) and bool(metadata.get("resourceVersion"))
    for error in _thorough(item.kind.schema).iter_errors(item.value):
        for leaf in _leaves(error):
            path = tuple(leaf.absolute_path)
            if leaf.validator == "additionalProperties" and leaf.validator_value is False:
                if validation != "ignore":
                    lenient = validation == "warn" or is_dump
                    yield from _unknown_fields(item, leaf, path, lenient=lenient)
            elif (*item.path, *path) not in ambiguous:
                yield _wrong_value(item, leaf, path)


def _leaves(error: ValidationError) -> Iterator[ValidationError]:
    # `anyOf` stands in these schemas for "this, or null": what is wrong is wrong with "this".
    if error.validator == "anyOf" and error.context:
        for inner in error.context:
            if inner.schema_path[0] == 0:
                yield from _leaves(inner)
        return
    yield error


def _where(item: RawObject, path: Path) -> Origin:
    return item.origin.at(*path)


def _unknown_fields(
    item: RawObject, error: ValidationError, path: Path, *, lenient: bool
) -> Iterator[Diagnostic]:
    part, instance = _parts(error)
    known = sorted(part["properties"])
    for name in sorted(set(instance) - set(known)):
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
        inside = f" in {dotted(path)}" if path else ""
        hint = f"did you mean {near[0]!r}?" if near else "remove it, or check its indentation."
        yield Diagnostic(
            "SVC161",
            Severity.WARNING if lenient else Severity.ERROR,
            "A field that Kubernetes doesn't know",
            f"{item.kind.name} has no field {name!r}{inside}; {hint}",
            _where(item, (*path, name, KEY)),
        )


def _wrong_value(item: RawObject, error: ValidationError, path: Path) -> Diagnostic:
    subject = dotted(path) or f"The {item.kind.name}"
    return Diagnostic(
        "SVC162",
        Severity.ERROR,
        "A value that the field doesn't take",
        f"{subject} {_explain(error)}.",
        _where(item, path),
    )


def _parts(error: ValidationError) -> tuple[Any, Any]:
    # The schema that refused, and what it refused; jsonschema types them more loosely than it is.
    return error.schema, error.instance


def _explain(error: ValidationError) -> str:
    part, instance = _parts(error)
    wanted = part[error.validator]
    value = _shown(instance)
    match error.validator:
        case "required":
            missing = [name for name in wanted if name not in instance]
            return f"lacks {', '.join(repr(name) for name in missing)}; add it"
        case "type":
            return f"is {value}, but must be {_type(wanted)}{_hint(wanted, instance)}"
        case "enum":
            choices = [str(one) for one in wanted if one not in (None, "")]
            return f"is {value}, but must be one of {', '.join(choices)}"
        case "const":
            return f"is {value}, but must be {wanted!r}"
        case "minimum" | "maximum":
            return f"is {value}, but must be {_range(part)}"
        case _:
            return f"is not right: {error.message}"


def _hint(wanted: str | list[str], instance: object) -> str:
    types = [wanted] if isinstance(wanted, str) else wanted
    if "string" in types and isinstance(instance, int | float):
        return "; quote it"
    if "integer" in types and isinstance(instance, str) and instance.isdigit():
        return "; remove the quotes"
    return ""


def _range(part: dict[str, Any]) -> str:
    low, high = part.get("minimum"), part.get("maximum")
    if low is None or high is None:
        return f"at least {low}" if high is None else f"at most {high}"
    return f"from {low} to {high}"


_TYPES = {
    "object": "a mapping",
    "array": "a list",
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
}


def _type(wanted: str | list[str]) -> str:
    names = [wanted] if isinstance(wanted, str) else wanted
    return " or ".join(_TYPES[name] for name in names if name != "null")


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def dotted(path: Path) -> str:
    """``spec.ports[0].port``, as Kubernetes writes a field's path."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def _ambiguous(item: RawObject) -> Iterator[Diagnostic]:
    depth = len(item.path)
    for path, scalar in item.document.ambiguous:
        inside = path[depth:]
        if path[:depth] == item.path and _matters(item.kind.schema, inside):
            yield Diagnostic(
                "SVC153",
                Severity.ERROR,
                "A value that YAML 1.1 and 1.2 read differently",
                f"{dotted(inside)} is {scalar} without quotes, which different readers of YAML "
                "take for different values; quote it if it is a text, or write a plain decimal "
                "number, true or false.",
                _where(item, inside),
            )


def _matters(name: str, path: Path) -> bool:
    root = schema(name)
    part: Any = root
    for step in path:
        part = _resolve(root, part)
        if not isinstance(part, dict):
            return False
        if isinstance(step, int):
            part = part.get("items", True)
        else:
            part = part.get("properties", {}).get(step, part.get("additionalProperties", True))
    return isinstance(_resolve(root, part), dict)


def _resolve(root: dict[str, Any], part: object) -> object:
    if isinstance(part, dict) and "anyOf" in part:
        part = part["anyOf"][0]
    if isinstance(part, dict) and "$ref" in part:
        return root["$defs"][part["$ref"].rpartition("/")[2]]
    return part
