"""UDP connections on a real node, through whole applies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from svcform.engine.apply import ApplyOptions, apply
from svcform.engine.observe import observe
from svcform.engine.outcome import Result
from svcform.engine.propose import ProposeOptions, propose
from svcform.model.net import Protocol
from svcform.plan.plan import Plan
from svcform.policy.intent import Destination, PortIntent
from svcform.program.program import Phase, Program, Step
from tests.unit.engine.node import LabNode, intent, opener, port, workspace

pytestmark = pytest.mark.root
in_dash = pytest.mark.parametrize("shell", ["dash"], indirect=True)
in_busybox = pytest.mark.parametrize("shell", ["busybox"], indirect=True)

OPTIONS = ApplyOptions(who="alice", source="laptop", run_timeout=60, confirm_timeout=30)
CART, DNS = "10.96.0.10", "10.96.0.53"
OLD, NEW = "10.244.1.5", "10.244.1.6"


def udp(name: str, address: str, *endpoints: str) -> PortIntent:
    """The UDP twin of a port of the tests' nodes."""
    twin = port(name, address, endpoints)
    frontends = tuple(replace(frontend, protocol=Protocol.UDP) for frontend in twin.frontends)
    serving = tuple(Destination(endpoint, 8080) for endpoint in endpoints)
    return replace(twin, protocol=Protocol.UDP, frontends=frontends, serving=serving)


def plan(lab_node: LabNode, *ports: PortIntent, destroy: bool = False) -> Plan:
    node = lab_node.node()
    options = ProposeOptions(destroy=destroy)
    made = propose(
        workspace(node), {node.name: intent(node, *ports)}, observe([node], opener), options
    )
    assert made.nodes[0].problem is None
    return made


def carry_out(lab_node: LabNode, made: Plan) -> Result:
    node = lab_node.node()
    return apply(made, {node.name: node}, opener, OPTIONS)[node.name].result


def sending(service: str, endpoint: str, number: int) -> str:
    """The command for a connection as conntrack keeps it; ``number`` is the client's port."""
    client = "192.0.2.99"
    return (
        f"conntrack -I -t 600 -p udp -s {client} -d {service} --sport {number} --dport 80 "
        f"--reply-src {endpoint} --reply-dst {client} --reply-port-src 8080 "
        f"--reply-port-dst {number} 2>&1"
    )


def send(lab_node: LabNode, service: str, endpoint: str, number: int) -> None:
    """Have such a connection."""
    lab_node.run(sending(service, endpoint, number))


def connections(lab_node: LabNode) -> set[int]:
    """The client's ports of those that are there."""
    lines = lab_node.run("conntrack -L -p udp -s 192.0.2.99 2>/dev/null").splitlines()
    return {int(line.partition(" sport=")[2].split()[0]) for line in lines}


def ending_with(made: Plan, script: str) -> Plan:
    """The plan with one more step at its very end."""
    step = Step(backend="host", phase=Phase.FORGET, summary="end", command=("sh", "-c", script))
    node = made.nodes[0]
    program = replace(node.program, steps=(*node.program.steps, step))
    return replace(made, nodes=(replace(node, program=program),))


def of_conntrack(program: Program) -> tuple[list[str], list[str]]:
    """Which steps, and which of the way back, are about connections; the last ones at that."""
    steps, undo = [s.backend for s in program.steps], [s.backend for s in program.undo]
    assert "conntrack" not in (*steps[:-1], *undo[:-1])
    return steps[-1:], undo[-1:]


@in_dash
def test_an_apply_ends_what_went_and_nothing_else(lab_node: LabNode) -> None:
    dns = udp("dns", DNS, OLD)
    assert carry_out(lab_node, plan(lab_node, udp("cart", CART, OLD, NEW), dns)) is Result.APPLIED
    send(lab_node, CART, OLD, 1001)
    send(lab_node, CART, NEW, 1002)
    send(lab_node, DNS, OLD, 1003)
    send(lab_node, DNS, NEW, 1004)  # not our business, as the plan doesn't touch this Service
    made = plan(lab_node, udp("cart", CART, NEW), dns)
    assert of_conntrack(made.nodes[0].program) == (["conntrack"], ["conntrack"])
    assert made.nodes[0].program.steps[-1].stdin == b"to 4 10.96.0.10 80\nkeep 10.244.1.6 8080\n"
    assert carry_out(lab_node, made) is Result.APPLIED
    assert connections(lab_node) == {1002, 1003, 1004}
    assert plan(lab_node, udp("cart", CART, NEW), dns).is_empty


@in_dash
def test_a_plan_for_other_services_has_no_such_step(lab_node: LabNode) -> None:
    dns = udp("dns", DNS, OLD)
    assert carry_out(lab_node, plan(lab_node, dns)) is Result.APPLIED
    made = plan(lab_node, dns, port())
    steps, undo = of_conntrack(made.nodes[0].program)
    assert "conntrack" not in (*steps, *undo)


@in_dash
def test_a_repair_ends_what_somebody_elses_rules_began(lab_node: LabNode) -> None:
    """Somebody had sent the clients of DNS elsewhere; no Service changes when it is repaired."""
    wanted = (udp("dns", DNS, NEW), port("cart", CART))
    assert carry_out(lab_node, plan(lab_node, *wanted)) is Result.APPLIED
    send(lab_node, DNS, OLD, 1001)
    send(lab_node, DNS, NEW, 1002)
    lab_node.run("iptables -t nat -I SVCFORM-VIPS -s 198.51.100.1 -j RETURN")

    made = plan(lab_node, *wanted)

    assert not made.nodes[0].service_changes
    assert carry_out(lab_node, made) is Result.APPLIED
    assert connections(lab_node) == {1002}


@in_busybox
def test_a_rollback_ends_what_the_apply_began(lab_node: LabNode) -> None:
    assert carry_out(lab_node, plan(lab_node, udp("cart", CART, OLD))) is Result.APPLIED
    made = plan(lab_node, udp("cart", CART, NEW), udp("dns", DNS, NEW))
    meanwhile = (
        sending(CART, OLD, 1001),
        sending(CART, NEW, 1002),
        sending(DNS, NEW, 1003),
        "false",
    )
    assert carry_out(lab_node, ending_with(made, "; ".join(meanwhile))) is Result.ROLLED_BACK
    assert connections(lab_node) == {1001}


@in_busybox
def test_an_undo_by_hand_ends_what_it_takes_away(lab_node: LabNode) -> None:
    dns = udp("dns", DNS, OLD)
    for endpoint in (OLD, NEW):
        made = plan(lab_node, udp("cart", CART, endpoint), dns)
        assert carry_out(lab_node, made) is Result.APPLIED
    lab_node.wait_until_idle()
    send(lab_node, CART, NEW, 1001)
    send(lab_node, CART, OLD, 1002)
    send(lab_node, DNS, NEW, 1003)
    lab_node.run(f"SVCFORM_STATE={lab_node.state} sh {lab_node.state}/runner undo")
    assert connections(lab_node) == {1002, 1003}


@in_dash
def test_what_is_destroyed_keeps_no_connection(lab_node: LabNode) -> None:
    assert carry_out(lab_node, plan(lab_node, udp("cart", CART, OLD))) is Result.APPLIED
    send(lab_node, CART, OLD, 1001)
    send(lab_node, "198.51.100.1", OLD, 1002)
    assert carry_out(lab_node, plan(lab_node, destroy=True)) is Result.APPLIED
    assert connections(lab_node) == {1002}


@in_dash
def test_a_step_that_cannot_clean_fails_the_apply(lab_node: LabNode, tmp_path: Path) -> None:
    assert carry_out(lab_node, plan(lab_node, udp("cart", CART, OLD))) is Result.APPLIED
    send(lab_node, CART, OLD, 1001)
    made = plan(lab_node, udp("cart", CART, NEW))
    unusable = tmp_path / "unusable"
    unusable.touch(mode=0o644)
    lab_node.run(f"mount --bind {unusable} $(command -v conntrack)")
    rules = "iptables-nft-save -t nat | grep -c 'to-destination 10.244.1.5:'"
    before = lab_node.run(rules)
    assert carry_out(lab_node, made) is Result.ROLLED_BACK
    assert lab_node.run(rules) == before
