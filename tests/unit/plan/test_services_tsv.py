"""The table of Services survives being kept on a node."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcform.plan.services import ServiceRow
from svcform.plan.services_tsv import read_rows, write_rows

TEXT = st.text(
    st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=8
) | st.sampled_from(["a|b", "a\tb", "a\nb", "\\", "\\t", "|", "\\|"])
LISTS = st.lists(TEXT, max_size=3).map(tuple)
ROWS = st.builds(ServiceRow, TEXT, TEXT, TEXT, LISTS, LISTS, LISTS)


@given(st.lists(ROWS, max_size=5))
def test_what_is_read_is_what_was_written(rows: list[ServiceRow]) -> None:
    assert read_rows(write_rows(rows)) == tuple(sorted(rows, key=lambda row: row.key))
    assert write_rows(rows).count(b"\n") == len(rows)


def test_a_damaged_table_is_no_table() -> None:
    with pytest.raises(ValueError, match="unpack"):
        read_rows(b"only\ttwo\n")
