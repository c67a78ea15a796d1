"""Back to the state of before: a plan like any other, under the same guard and the same checks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from svcform.engine.apply import ApplyOptions, apply
from svcform.engine.observe import Observation, observe
from svcform.engine.outcome import Outcome, Result
from svcform.engine.propose import ProposeOptions, propose
from svcform.engine.rollback import propose_rollback
from svcform.errors import NodeError, OwnershipRefused, UsageError
from svcform.model.net import Protocol
from svcform.model.settings import ManagementFlow, ProxyMode
from svcform.plan import planfile
from svcform.plan.plan import Plan
from svcform.policy.intent import PortIntent
from tests.unit.engine.node import PROJECT, LabNode, intent, opener, port, workspace

pytestmark = [pytest.mark.root, pytest.mark.parametrize("shell", ["dash"], indirect=True)]

OPTIONS = ApplyOptions(who="alice", source="laptop", run_timeout=60, confirm_timeout=30)
CART, WEB = port(), port("web", "10.96.0.11")


def plan(lab_node: LabNode, *ports: PortIntent, mode: ProxyMode = ProxyMode.IPTABLES) -> Plan:
    node = lab_node.node()
    node = replace(node, settings=replace(node.settings, proxy_mode=mode))
    wishes = ProposeOptions(allow_renumber=True)
    return propose(workspace(node), {"n1": intent(node, *ports)}, observe([node], opener), wishes)


def carry_out(lab_node: LabNode, made: Plan) -> Outcome:
    return apply(made, {"n1": lab_node.node()}, opener, OPTIONS)["n1"]


def back(lab_node: LabNode) -> Plan:
    return propose_rollback(lab_node.node(), opener, PROJECT).plan


def names(lab_node: LabNode) -> list[str]:
    seen = observe([lab_node.node()], opener)["n1"]
    assert isinstance(seen, Observation)
    return [row.name for row in seen.recorded.services]


def rules(lab_node: LabNode) -> str:
    return lab_node.run(
        "iptables-save | grep -v '^[#:]'; ip route; cat /proc/sys/net/ipv4/ip_forward"
    )


def test_a_node_goes_back_and_forth_between_its_last_two_states(lab_node: LabNode) -> None:
    for ports in ((CART,), (CART, WEB)):
        assert carry_out(lab_node, plan(lab_node, *ports)).result is Result.APPLIED
    new = rules(lab_node)

    found = propose_rollback(lab_node.node(), opener, PROJECT)

    assert (found.to.number, found.to.who) == (1, "alice")
    assert [c.before.name for c in found.plan.nodes[0].service_changes if c.before] == ["shop/web"]
    saved = planfile.read(planfile.write(found.plan))
    assert carry_out(lab_node, saved).result is Result.APPLIED
    assert names(lab_node) == ["shop/cart"]
    assert plan(lab_node, CART).is_empty
    assert carry_out(lab_node, back(lab_node)).result is Result.APPLIED
    assert rules(lab_node) == new
    assert plan(lab_node, CART, WEB).is_empty


@pytest.mark.parametrize("old", [ProxyMode.NFTABLES, ProxyMode.IPTABLES])
def test_a_boot_after_the_way_back_brings_what_was_gone_back_to(
    lab_node: LabNode, old: ProxyMode
) -> None:
    """The state that was left was made of nftables' tables, and is not what the node keeps."""
    for mode, ports in ((old, (CART,)), (ProxyMode.NFTABLES, (CART, WEB))):
        assert carry_out(lab_node, plan(lab_node, *ports, mode=mode)).result is Result.APPLIED
    assert carry_out(lab_node, back(lab_node)).result is Result.APPLIED
    assert plan(lab_node, CART, mode=old).is_empty

    lab_node.run(f"sh {lab_node.state}/runner restore")

    assert plan(lab_node, CART, mode=old).is_empty
    assert carry_out(lab_node, back(lab_node)).result is Result.APPLIED
    lab_node.run(f"sh {lab_node.state}/runner restore")
    assert plan(lab_node, CART, WEB, mode=ProxyMode.NFTABLES).is_empty


def test_an_apply_in_between_makes_the_way_back_stale(lab_node: LabNode) -> None:
    for ports in ((CART,), (CART, WEB)):
        assert carry_out(lab_node, plan(lab_node, *ports)).result is Result.APPLIED
    made = back(lab_node)
    third = plan(lab_node, CART, WEB, port("api", "10.96.0.12"))
    assert carry_out(lab_node, third).result is Result.APPLIED

    assert carry_out(lab_node, made).result is Result.STALE
    assert names(lab_node) == ["shop/api", "shop/cart", "shop/web"]


def test_a_state_that_can_not_be_reached_is_undone(lab_node: LabNode) -> None:
    """What the node keeps was damaged: the read-back says so, and the guard undoes it."""
    for ports in ((CART,), (CART, WEB)):
        assert carry_out(lab_node, plan(lab_node, *ports)).result is Result.APPLIED
    new = rules(lab_node)
    lab_node.run(f"printf 'exit 0\\n' >{lab_node.state}/previous/iptables.restore")

    outcome = carry_out(lab_node, back(lab_node))

    assert outcome.result is Result.ROLLED_BACK
    assert [str(address) for address in outcome.moved] == ["svcform state"]
    assert rules(lab_node) == new
    assert names(lab_node) == ["shop/cart", "shop/web"]


def test_the_way_back_is_guarded_as_any_plan(lab_node: LabNode) -> None:
    """The state of before has a Service where somebody listens by now, and other addresses."""
    own = lab_node.node().connection.host
    greedy, moved = port("web", own), port("cart", "10.96.0.99")
    for ports in ((CART, greedy), (moved,)):
        assert carry_out(lab_node, plan(lab_node, *ports)).result is Result.APPLIED
    kept = ManagementFlow(Protocol.TCP, "198.51.100.0/24", own, 80)
    node = lab_node.node()
    node = replace(node, settings=replace(node.settings, management_flows=(kept,)))

    found = propose_rollback(node, opener, PROJECT).plan

    assert [finding.code for finding in found.refusals] == ["SVC504", "SVC502"]
    assert "frontend of shop/web" in found.refusals[0].detail
    with pytest.raises(UsageError):
        carry_out(lab_node, found)
    wishes = ProposeOptions(allow_lockout=True, allow_renumber=True)
    allowed = propose_rollback(node, opener, PROJECT, wishes).plan
    assert carry_out(lab_node, allowed).result is Result.APPLIED
    assert names(lab_node) == ["shop/cart", "shop/web"]


def test_one_apply_has_no_state_of_before(lab_node: LabNode) -> None:
    assert carry_out(lab_node, plan(lab_node, CART)).result is Result.APPLIED
    with pytest.raises(NodeError, match="fewer than two applies") as raised:
        back(lab_node)
    assert "Git" in raised.value.remedy


def test_another_projects_node_is_left_alone(lab_node: LabNode) -> None:
    for ports in ((CART,), (CART, WEB)):
        assert carry_out(lab_node, plan(lab_node, *ports)).result is Result.APPLIED
    with pytest.raises(OwnershipRefused):
        propose_rollback(lab_node.node(), opener, "other")


def test_plans_p1_p2_p1_again(lab_node: LabNode) -> None:
    """A plan counts as applied only where it is the latest and the node is its result."""
    first = plan(lab_node, CART)
    assert carry_out(lab_node, first).result is Result.APPLIED
    assert carry_out(lab_node, first).result is Result.ALREADY_APPLIED
    second = plan(lab_node, CART, WEB)
    assert carry_out(lab_node, second).result is Result.APPLIED
    assert carry_out(lab_node, first).result is Result.STALE
    assert names(lab_node) == ["shop/cart", "shop/web"]
    again = plan(lab_node, CART)
    assert not again.is_empty
    assert carry_out(lab_node, again).result is Result.APPLIED
    assert carry_out(lab_node, again).result is Result.ALREADY_APPLIED
    assert carry_out(lab_node, second).result is Result.APPLIED
    assert names(lab_node) == ["shop/cart", "shop/web"]
