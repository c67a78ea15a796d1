"""What is not targeted stays as the node has it, whatever was decided."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings

from svcform.errors import TargetImpossible
from svcform.model.service import ServicePort
from svcform.model.settings import ProxyMode
from svcform.policy.decide import decide
from svcform.policy.narrow import Narrower
from svcform.policy.services import SCHEDULER_ANNOTATION
from svcform.policy.table import compare, rows
from tests.unit.policy.builders import (
    HERE,
    LOAD_BALANCER,
    LOCAL,
    PODS,
    THERE,
    endpoint,
    node,
    ports,
    service,
    workspace,
)
from tests.unit.policy.test_decide_laws import spaces

A, B, C = (
    service(name, cluster_ips=(f"10.96.0.{number}",), ports=(ServicePort(name="http", port=80),))
    for number, name in enumerate("abc", start=1)
)
ONE, OTHER = [endpoint("10.244.1.5", HERE)], [endpoint("10.244.1.6", HERE)]


def decided(content, **wishes):
    return decide(workspace(content, node(**wishes)))[HERE]


def narrow(intent, before, *names, destroy=False):
    chosen = {f"default/{name}" for name in names}
    return Narrower(chosen.__contains__, destroy=destroy).narrow(intent, rows(before))


def told(intent):
    return {row.service.removeprefix("default/"): row for row in rows(intent)}


def test_only_what_is_targeted_changes_comes_and_goes():
    before = decided({A: ONE, B: ONE, C: ONE})
    new = service("d", cluster_ips=("10.96.0.4",), ports=A.ports)
    after = decided({A: OTHER, B: OTHER, new: OTHER})

    narrowed = narrow(after, before, "a")

    assert told(narrowed) == {**told(before), "a": told(after)["a"]}
    assert narrowed.cluster_ips == before.cluster_ips
    assert narrowed.hairpin == ("10.244.1.5", "10.244.1.6")


def test_a_targeted_service_that_is_in_no_manifest_goes():
    before = decided({A: ONE, B: ONE})
    narrowed = narrow(decided({A: OTHER}), before, "b")
    assert told(narrowed) == {"a": told(before)["a"]}
    assert narrowed.cluster_ips == ("10.96.0.1",)


def test_destroy_takes_what_is_targeted():
    before = decided({A: ONE, B: ONE})
    narrowed = narrow(decided({A: OTHER, B: OTHER}), before, "b", destroy=True)
    assert told(narrowed) == {"a": told(before)["a"]}


@settings(max_examples=200)
@given(spaces(), spaces())
def test_a_node_stays_as_it_is_where_nothing_is_targeted(before, after):
    """All of it: ports, and what goes with them, but for what settings say."""
    was = decide(before)
    for name, intent in decide(after).items():
        kept = Narrower(lambda _: False).narrow(
            replace(intent, settings=was[name].settings), rows(was[name])
        )
        assert compare(rows(was[name]), rows(kept)) == ()
        for group, own in ((kept.common, was[name].common), (kept.own, was[name].own)):
            assert [p.frontends for p in group.ports] == [p.frontends for p in own.ports]
        assert kept.health_check_node_ports == was[name].health_check_node_ports


@settings(max_examples=200)
@given(spaces())
def test_a_node_that_is_up_to_date_stays_so_whatever_is_targeted(space):
    for intent in decide(space).values():
        narrowed = Narrower("default/a".__eq__).narrow(intent, rows(intent))
        assert [p.frontends for p in ports(narrowed)] == [p.frontends for p in ports(intent)]
        assert narrowed.cluster_ips == intent.cluster_ips
        assert narrowed.hairpin == intent.hairpin


def test_a_service_that_is_not_targeted_keeps_its_scheduler():
    hashed = replace(A, annotations=((SCHEDULER_ANNOTATION, "sh"),))
    before = decided({hashed: ONE, B: ONE})
    narrowed = narrow(decided({hashed: ONE, B: OTHER}), before, "b")
    assert [port.scheduler for port in narrowed.common.ports] == ["sh", ""]


def test_what_differs_between_nodes_stays_in_their_own_group():
    subject = service(**LOAD_BALANCER, external_traffic_policy=LOCAL)
    near = [
        endpoint("10.244.1.5", HERE, node_hints=(HERE,)),
        endpoint("10.244.2.7", node_hints=(THERE,)),
    ]
    before = decided({subject: ONE, A: near, B: ONE}, pod_cidrs=PODS)
    narrowed = narrow(decided({}, pod_cidrs=PODS), before)
    assert [p.name for p in narrowed.own.ports] == ["default/a:http", "default/web:http"]
    assert [p.name for p in narrowed.common.ports] == ["default/b:http"]


def test_nodes_that_remember_the_same_share_what_is_kept():
    before, after = decided({A: ONE, B: ONE}), decided({A: OTHER, B: OTHER})
    narrower = Narrower("default/a".__eq__)
    first, second = (narrower.narrow(after, rows(before)) for _ in range(2))
    assert first.common is second.common
    assert first.cluster_ips is second.cluster_ips


def test_settings_are_the_nodes_and_hold_for_all():
    """Without pod_cidrs nobody is a local pod, and the kept Service says no such thing."""
    before = decided({A: ONE, B: ONE}, pod_cidrs=PODS)
    narrowed = narrow(decided({A: ONE, B: ONE}), before, "a")
    assert [row.notes for row in rows(narrowed)] == [(), ()]
    assert [row.notes for row in rows(before)] == [("masqueraded unless from a local pod",)] * 2


def test_of_endpoints_that_no_manifest_has_only_those_that_can_be_here_come_back():
    away = [endpoint("10.244.1.5"), endpoint("10.244.2.7")]
    before = decided({A: away}, pod_cidrs=PODS)
    narrowed = narrow(decided({B: OTHER}, pod_cidrs=PODS), before, "b")
    assert narrowed.hairpin == ("10.244.1.5", "10.244.1.6")


def test_a_place_that_a_kept_service_has_is_refused_to_a_targeted_one():
    thief = service("b", cluster_ips=A.cluster_ips, ports=A.ports)
    before = decided({A: ONE})
    with pytest.raises(TargetImpossible, match=r"b would take 10.96.0.1 80/TCP from default/a"):
        narrow(decided({thief: ONE}), before, "b")


@pytest.mark.parametrize("wish", [{"absent": True}, {"proxy_mode": ProxyMode.NONE}])
def test_a_node_that_would_lose_more_than_the_targeted_is_refused(wish):
    before = decided({A: ONE, B: ONE})
    emptied = decide(workspace({}, node(**wish)))[HERE]
    with pytest.raises(TargetImpossible, match="default/b would go"):
        narrow(emptied, before, "a")
    assert narrow(emptied, before, "a", "b") is emptied
