"""The newcomer's hour, walked step by step: each command prints what the document says."""

from __future__ import annotations

import pytest

from tests.docs.console import ROOT, normal, run, steps

DOCUMENT = ROOT / "docs/first-hour.md"


@pytest.mark.root
def test_the_first_hour_goes_as_it_is_told(tmp_path):
    told = steps(DOCUMENT.read_text())
    assert len(told) > 20
    try:
        for step in told:
            said = normal(run(step.command, tmp_path))

            assert said == normal(step.output), f"$ {step.command}"
    finally:
        run("svcform lab down", tmp_path)
