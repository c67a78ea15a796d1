"""The lock file over its life: completed, renamed, forgotten, rebuilt."""

from __future__ import annotations

import pytest

from svcform.diagnostics import Location
from svcform.errors import UsageError
from svcform.inputs import lock_changes
from svcform.inputs.lock_changes import NodeRecord
from svcform.inputs.lockfile import LockFile
from svcform.model.lock import LockEntry
from svcform.model.net import Family
from svcform.model.node import Connection, Node
from svcform.model.service import NamespacedName, ServicePort, ServiceType
from svcform.model.settings import Settings
from svcform.policy.allocate import Ranges, allocate
from svcform.policy.decide import decide
from svcform.policy.table import rows
from tests.unit.policy.builders import node, service, workspace

WEB = NamespacedName("default", "web")
ENTRY = LockEntry(cluster_ips=("10.96.1.7",), node_ports={"http/TCP": 30080})
LOCK = LockFile(project_id="id", nodes=("edge-1", "edge-2"), services={WEB: ENTRY})


def a_node(name: str, *, absent: bool = False) -> Node:
    return Node(
        name=name,
        connection=Connection(host=name),
        settings=Settings(),
        plays=(0,),
        absent=absent,
    )


def test_a_run_adds_its_nodes_and_keeps_those_it_leaves_out():
    done = lock_changes.complete(LOCK, {WEB: ENTRY}, [a_node("edge-3")], "new")
    assert (done.project_id, done.nodes) == ("id", ("edge-1", "edge-2", "edge-3"))


def test_an_absent_node_stays_managed_until_it_is_emptied():
    absent = [a_node("edge-1", absent=True), a_node("edge-3", absent=True)]
    done = lock_changes.complete(LOCK, {WEB: ENTRY}, absent, "new")
    assert done.nodes == ("edge-1", "edge-2")


def test_a_new_project_takes_the_new_id():
    assert lock_changes.complete(LockFile(), {}, [], "new").project_id == "new"


def test_locked_passes_where_nothing_is_missing_even_if_something_is_gone():
    assert lock_changes.check_locked(LOCK, LOCK, "f") == []
    assert lock_changes.check_locked(LOCK, LockFile(project_id="id"), "f") == []


def test_locked_prints_the_missing_lines():
    (finding,) = lock_changes.check_locked(LockFile(), LOCK, "svcform.lock.yml")
    assert finding.code == "SVC324"
    assert finding.detail.splitlines()[1:] == [
        "project: id",
        "  edge-1: {}",
        "  edge-2: {}",
        "  default/web: {clusterIPs: [10.96.1.7], nodePorts: {http/TCP: 30080}}",
    ]


def test_a_managed_node_that_vanished_from_the_inventory_stops_the_plan():
    lock = LockFile(nodes=("edge-1", "edge-2"), node_lines={"edge-2": Location("lock", 6, 1)})
    (finding,) = lock_changes.vanished_nodes(lock, {"edge-1", "edge-9"})
    assert (finding.code, finding.where) == ("SVC325", Location("lock", 6, 1))
    assert "svcform forget edge-2" in finding.detail


def test_forget_takes_a_node_out_and_knows_who_is_managed():
    assert lock_changes.forget(LOCK, "edge-1").nodes == ("edge-2",)
    with pytest.raises(UsageError, match="edge-9 is not a managed node"):
        lock_changes.forget(LOCK, "edge-9")


def test_move_keeps_the_values_under_a_new_name():
    shop = NamespacedName("shop", "web")
    assert lock_changes.move(LOCK, WEB, shop).services == {shop: ENTRY}
    with pytest.raises(UsageError, match="nothing of shop/web"):
        lock_changes.move(LOCK, shop, WEB)
    both = LockFile(services={WEB: ENTRY, shop: ENTRY})
    with pytest.raises(UsageError, match="already has values of shop/web"):
        lock_changes.move(both, WEB, shop)


def test_a_lost_file_is_rebuilt_from_what_the_nodes_remember():
    ports = (ServicePort(port=80), ServicePort(name="dns", port=53))
    ranges = Ranges(
        service_cidrs=("10.96.0.0/16", "fd00:96::/108"),
        load_balancer_pools={"a": ("192.0.2.0/24", "2001:db8::/120")},
    )
    families = {"ip_families": tuple(Family)}
    services = [
        service("one", type=ServiceType.LOAD_BALANCER, ports=ports[:1], **families),
        service("two", type=ServiceType.NODE_PORT, ports=ports[1:]),
        service("three", ports=ports[1:]),
    ]
    made = allocate(services, ranges, {})
    space = workspace({s: [] for s in made.services.values()}, node("edge-1"), node("edge-2"))
    records = [NodeRecord(name, "id", rows(found)) for name, found in decide(space).items()]
    lock, findings = lock_changes.rebuild([*records, NodeRecord("fresh", "", ())])
    assert findings == []
    assert (lock.project_id, lock.nodes) == ("id", ("edge-1", "edge-2"))
    assert lock.services == made.lock


def test_nodes_that_disagree_are_named():
    def record(name: str, project: str, address: str) -> NodeRecord:
        subject = service("web", cluster_ips=(address,), ports=(ServicePort(port=80),))
        return NodeRecord(name, project, rows(decide(workspace({subject: []}, node(name)))[name]))

    records = [record("edge-1", "id", "10.96.1.1"), record("edge-2", "id", "10.96.1.2")]
    _, (finding,) = lock_changes.rebuild(records)
    assert finding.code == "SVC326"
    assert "10.96.1.1 on edge-1 and 10.96.1.2 on edge-2" in finding.detail
    _, (finding,) = lock_changes.rebuild(
        [record("edge-1", "id", "10.96.1.1"), record("edge-2", "other", "10.96.1.1")]
    )
    assert "several projects" in finding.detail
