"""What is written for ipset reads back from what it prints; versions differ in sizes only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcform.lang.ipset import save
from svcform.lang.ipset.names import KINDS, Set
from svcform.model.net import Family

names = st.sampled_from(Set)
families = st.sampled_from(Family)
marks = st.none() | st.integers(0, 0xFFFFFFFF)
keys = st.sampled_from(["10.96.0.1,tcp:80", "fd00::1,sctp:65535", "0.0.0.0/1,udp:53"])


def head(wanted, family):
    options = ("skbinfo",) if KINDS[wanted].marks else ()
    name = wanted.name_in(family)
    return save.NamedSet(name=name, type=KINDS[wanted].type, family=family, options=options)


@given(
    st.lists(
        st.tuples(names, families, st.lists(st.tuples(keys, marks))), unique_by=lambda t: t[:2]
    )
)
def test_a_restore_reads_back_as_the_sets_it_makes(wanted):
    restore = save.Restore()
    for name, family, elements in wanted:
        restore.create(head(name, family))
        restore.add(name.name_in(family), [save.element(*each) for each in elements])

    found = save.parse(restore.write().decode())

    assert {name: each.head for name, each in found.items()} == {
        name.name_in(family): head(name, family) for name, family, _ in wanted
    }
    for name, family, elements in wanted:
        read = found[name.name_in(family)].elements
        assert [(save.key_of(text), save.mark_of(text)) for text in read] == elements


@given(names, families)
def test_names_fit(name, family):
    assert len(name.name_in(family)) <= 31


@pytest.mark.parametrize(
    "printed",
    [
        "create SVCFORM-6-FRONTENDS hash:ip,port family inet6 hashsize 1024 maxelem 65536 skbinfo",
        "create SVCFORM-6-FRONTENDS hash:ip,port family inet6 skbinfo initval 0x7abf93a3",
    ],
)
def test_sizes_and_seeds_make_no_other_set(printed):
    assert save.parse(printed)["SVCFORM-6-FRONTENDS"].head == head(Set.FRONTENDS, Family.IPV6)


def test_a_mark_under_a_mask_is_the_mark():
    assert save.mark_of("10.96.0.1,tcp:80 skbmark 0x40000020/0xffff0000") == 0x40000020


@pytest.mark.parametrize(
    "text", ["ipset v7.17: Kernel error received", "add SVCFORM-4-PODS 10.0.0.1"]
)
def test_what_is_no_listing_is_never_read_as_empty(text):
    with pytest.raises(ValueError, match=text.split()[0]):
        save.parse(text)
