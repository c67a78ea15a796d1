"""Foreign rules, and missing tools, that would defeat the Services: found before the apply."""

from __future__ import annotations

from collections.abc import Mapping

from svcform.backends.contract import Probe, Reading
from svcform.diagnostics import Diagnostic
from svcform.model.facts import Facts


def probes() -> tuple[Probe, ...]:
    """What has to be seen besides the listings."""
    return ()


def caveats(readings: Mapping[str, Reading], facts: Facts) -> tuple[Diagnostic, ...]:
    """All that stands in the way, by name."""
    del readings, facts
    return ()
