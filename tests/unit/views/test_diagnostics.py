"""Findings as a person reads them."""

from svcform.diagnostics import Diagnostic, Location, Severity
from svcform.views.diagnostics import human
from svcform.views.text import Palette


def test_a_megabyte_of_text_leaves_what_to_do_in_sight():
    detail = f"The name {'a' * 1_000_000} is too long; shorten it."
    finding = Diagnostic("SVC202", Severity.ERROR, "Summary", detail, Location("a.yml", 1, 2))

    shown = human([finding], Palette())

    assert len(shown) < 1200
    assert shown.startswith("a.yml:1:2: error SVC202 Summary\n    The name aaa")
    assert shown.endswith("is too long; shorten it.\n")
