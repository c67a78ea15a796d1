"""Services of the node that wipe our rules when they restart are named before they do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from svcform.backends.proxy.iptables import IPTABLES
from svcform.model.facts import Init
from tests.unit.backends.proxy.iptables.test_caveats import FACTS, WANTED

FLUSHING = ("nftables", "netfilter-persistent", "iptables", "ip6tables", "ufw", "firewalld")
LEGACY = replace(FACTS, tools=dict.fromkeys(FACTS.tools, "iptables v1.8.9 (legacy)"))


def warnings(facts, **changes):
    return IPTABLES.caveats({}, replace(facts, **changes), WANTED)


@pytest.mark.parametrize("unit", FLUSHING)
def test_a_unit_that_flushes_is_named_with_what_to_do(unit: str):
    (found,) = warnings(FACTS, units=frozenset({unit}), disruptive=frozenset({unit}))
    assert found.code == "SVC406"
    assert found.detail.startswith(f"{unit}.service is active on")
    assert len(found.detail.split(". ")) == 2


def test_an_active_unit_that_is_configured_to_spare_others_is_not():
    assert warnings(FACTS, units=frozenset(FLUSHING)) == ()


def test_flushing_nft_spares_the_rules_of_iptables_legacy():
    assert warnings(LEGACY, disruptive=frozenset({"nftables"})) == ()
    assert len(warnings(LEGACY, disruptive=frozenset({"iptables"}))) == 1


@pytest.mark.parametrize("unit", FLUSHING)
def test_where_ours_follow_systemd_only_their_own_commands_are_left(unit: str):
    found = warnings(FACTS, disruptive=frozenset({unit}), init=Init.SYSTEMD, init_writable=True)
    said = {"netfilter-persistent": "`netfilter-persistent reload`", "ufw": "`ufw reload`"}
    assert [said[unit] in warning.detail for warning in found] == [True] * (unit in said)
