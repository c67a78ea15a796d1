"""Settings that are one for the whole project, and address ranges that must not meet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from svcform.diagnostics import Location
from svcform.inputs.setting_values import span, spans_overlap
from svcform.inputs.settings import PROJECT_WIDE, Setting, SettingsReader


def unite(found: Iterable[Mapping[str, Setting]], problems: SettingsReader) -> dict[str, Any]:
    """The project-wide settings, from all places that set them; differing ones are reported."""
    first: dict[str, Setting] = {}
    for settings in found:
        for name in PROJECT_WIDE:
            setting = settings.get(name)
            if setting is None:
                continue
            known = first.setdefault(name, setting)
            if known.value != setting.value:
                _report_difference(name, known, setting, problems)
    return {name: setting.value for name, setting in first.items()}


def _report_difference(name: str, one: Setting, other: Setting, problems: SettingsReader) -> None:
    detail = (
        f"{name} is one for the whole project, and {one.where} sets it to another value. "
        "Make them equal, or split the project in two."
    )
    summary = "The project has one value for this"
    problems.report("SVC144", summary, detail, other.where)


def check_overlaps(found: Iterable[Mapping[str, Setting]], problems: SettingsReader) -> None:
    """Report where service_cidrs, pod_cidrs and pools have addresses in common."""
    checked: set[tuple[object, ...]] = set()
    for settings in found:
        known = {name: settings[name] for name in _RANGES if name in settings}
        key = tuple((name, str(setting.value)) for name, setting in known.items())
        if key in checked:
            continue
        checked.add(key)
        spans = [(name, text) for name, setting in known.items() for text in _texts(setting.value)]
        for position, (name, text) in enumerate(spans):
            for other, against in spans[:position]:
                if name != other and spans_overlap(span(text), span(against)):
                    places = known[name].where, known[other].where
                    _report_overlap((name, text), (other, against), places, problems)


_RANGES = ("service_cidrs", "pod_cidrs", "load_balancer_pools")


def _texts(value: Any) -> list[str]:  # noqa: ANN401 - CIDRs, or pools of them
    if isinstance(value, Mapping):
        return [text for pool in value.values() for text in pool]
    return list(value)


def _report_overlap(
    one: tuple[str, str],
    other: tuple[str, str],
    places: tuple[Location, Location],
    problems: SettingsReader,
) -> None:
    detail = (
        f"{one[1]} of {one[0]} and {other[1]} of {other[0]} ({places[1]}) have addresses in "
        "common. An address can mean only one thing: take one of them elsewhere."
    )
    problems.report("SVC145", "Address ranges meet", detail, places[0])
