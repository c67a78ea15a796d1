"""Spans are sets: they obey the laws of sets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from svcform.lang import spans

SETS = st.sets(st.integers(0, 40))


def as_spans(numbers: set[int]) -> spans.Spans:
    return spans.union((n, n) for n in numbers)


def as_set(found: spans.Spans) -> set[int]:
    return {n for low, high in found for n in range(low, high + 1)}


@given(SETS, SETS)
def test_they_meet_and_leave_each_other_as_sets_do(one: set[int], other: set[int]) -> None:
    a, b = as_spans(one), as_spans(other)
    assert as_set(a) == one
    assert as_set(spans.meet(a, b)) == one & other
    assert as_set(spans.without(a, b)) == one - other
    assert as_set(spans.union((*a, *b))) == one | other


@given(SETS, SETS)
def test_equal_sets_are_equal_spans(one: set[int], other: set[int]) -> None:
    parts = (
        *spans.meet(as_spans(one), as_spans(other)),
        *spans.without(as_spans(one), as_spans(other)),
    )
    assert spans.union(parts) == as_spans(one)


def test_cidrs_are_as_few_as_can_be() -> None:
    found = spans.without(spans.of_cidr("192.0.2.0/24"), spans.of_cidr("192.0.2.128/32"))
    assert list(spans.cidrs(found, 32))[:2] == ["192.0.2.0/25", "192.0.2.129"]
    assert list(spans.cidrs(spans.of_cidr("2001:db8::1"), 128)) == ["2001:db8::1"]
