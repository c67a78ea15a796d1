"""Who answers for a Service: slices, Endpoints, pods, placed workloads."""

import pytest
import yaml

from svcform.inputs.cluster import objects_of, resolve_services
from svcform.inputs.endpoints import resolve_endpoints
from svcform.inputs.project import Placement
from svcform.inputs.validate import validate
from svcform.inputs.workloads import Placements
from svcform.model.node import Connection, Node
from svcform.model.service import NamespacedName
from svcform.model.settings import Settings

WEB = NamespacedName("default", "web")
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {clusterIP: 10.96.0.1, selector: {app: web}, ports: [{name: http, port: 80, targetPort: web}]}
---
"""
POD = """
apiVersion: v1
kind: Pod
metadata: {name: NAME, labels: {app: web, tier: front}}
spec:
  nodeName: n1
  containers: [{name: c, ports: [{name: web, containerPort: 8080}]}]
status:
  phase: Running
  podIP: ADDRESS
  conditions: [{type: Ready, status: "READY"}]
---
"""
SLICE = """
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: ENDPOINTS
---
"""
DEPLOYMENT = """
apiVersion: apps/v1
kind: KIND
metadata: {name: web}
spec:
  REPLICAS
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      initContainers:
      - {name: once, ports: [{name: setup, containerPort: 1}]}
      - {name: sidecar, restartPolicy: Always, ports: [{name: mesh, containerPort: 15001}]}
      containers: [{name: c, ports: [{name: web, containerPort: 8080}]}]
---
"""


def node(name, host, **settings):
    return Node(
        name=name, connection=Connection(host=host), settings=Settings(**settings), plays=(0,)
    )


NODES = {
    "n1": node("n1", "192.0.2.1"),
    "n2": node("n2", "n2.example", node_ip=("192.0.2.2", "2001:db8::2"), node_name="k2"),
    "n3": node("n3", "n3.example"),
}


def resolve(text, *, workloads=None, daemon_nodes=()):
    objects, problems = validate(objects_of(d for d in yaml.safe_load_all(text) if d), "strict")
    assert problems == []
    cluster, _ = resolve_services(objects, lenient=True)
    placements = Placements(
        by_workload={WEB: tuple(place(text) for text in workloads)} if workloads else {},
        nodes=NODES,
        daemon_nodes={WEB: daemon_nodes},
        zones={"n1": "z1"},
    )
    endpoints, found = resolve_endpoints(cluster.services, cluster.selectors, objects, placements)
    return endpoints.get(WEB, {}), [d.code for d in found]


def place(text):
    address, _, name = text.rpartition("@")
    if address or text[0].isdigit():
        return Placement(address=address or text, node=name if address else None)
    return Placement(node=text)


def addresses(endpoints):
    return {key.name: [f"{e.address}:{e.port}" for e in found] for key, found in endpoints.items()}


def pod(name, address, ready="True"):
    return POD.replace("NAME", name).replace("ADDRESS", address).replace("READY", ready)


def test_slices_win_over_endpoints_and_pods():
    text = (
        SERVICE + pod("a", "10.244.0.1") + SLICE.replace("ENDPOINTS", "[{addresses: [10.1.1.1]}]")
    )
    text += """
apiVersion: v1
kind: Endpoints
metadata: {name: web}
subsets: [{addresses: [{ip: 10.2.2.2}], ports: [{name: http, port: 9}]}]
"""
    assert addresses(resolve(text)[0]) == {"http": ["10.1.1.1:8080"]}
    without = text.replace("kubernetes.io/service-name: web", "kubernetes.io/service-name: other")
    assert addresses(resolve(without)[0]) == {"http": ["10.2.2.2:9"]}


def test_a_missing_condition_is_as_kube_proxy_has_it():
    found, _ = resolve(SERVICE + SLICE.replace("ENDPOINTS", "[{addresses: [10.1.1.1]}]"))
    (((endpoint,)),) = found.values()
    assert (endpoint.ready, endpoint.serving, endpoint.terminating) == (True, True, False)


def test_endpoints_are_sorted_as_text_and_only_the_first_address_counts():
    entries = "[{addresses: [10.0.0.2, 10.9.9.9]}, {addresses: [10.0.0.10]}]"
    found, _ = resolve(SERVICE + SLICE.replace("ENDPOINTS", entries))
    assert addresses(found) == {"http": ["10.0.0.10:8080", "10.0.0.2:8080"]}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_two_with_one_address_the_one_that_stays_wins(order):
    both = ["{addresses: [10.1.1.1], conditions: {terminating: true, ready: false}, nodeName: old}"]
    both.append("{addresses: [10.1.1.1], nodeName: new}")
    entries = f"[{both[order[0]]}, {both[order[1]]}]"
    found, _ = resolve(SERVICE + SLICE.replace("ENDPOINTS", entries))
    assert [e.node for (found_here) in found.values() for e in found_here] == ["new"]


def test_names_and_headless_slices_are_left_out():
    text = SERVICE + SLICE.replace("ENDPOINTS", "[{addresses: [10.1.1.1]}]")
    assert resolve(text.replace("addressType: IPv4", "addressType: FQDN"))[0] == {}
    headless = text.replace("labels: {", 'labels: {service.kubernetes.io/headless: "", ')
    assert resolve(headless)[0] == {}


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.1.1", "::1", "10.0.0", "224.0.0.1"])
def test_an_address_that_nobody_reaches_is_an_error(address):
    text = SERVICE + SLICE.replace("ENDPOINTS", f"[{{addresses: ['{address}']}}]")
    assert "SVC211" in resolve(text)[1]


def test_a_slice_without_the_label_is_a_warning():
    text = SLICE.replace("ENDPOINTS", "[]").replace("kubernetes.io/service-name: web", "a: b")
    assert resolve(SERVICE + text)[1][0] == "SVC221"


def test_a_port_that_no_slice_has_is_a_warning():
    text = SLICE.replace("ENDPOINTS", "[{addresses: [10.1.1.1]}]").replace("name: http,", "")
    assert resolve(SERVICE + text)[1] == ["SVC224"]


def test_not_ready_addresses_of_endpoints_are_not_ready():
    text = """
apiVersion: v1
kind: Endpoints
metadata: {name: web}
subsets:
- {addresses: [{ip: 10.1.1.1}], notReadyAddresses: [{ip: 10.1.1.2}], ports: [{name: http, port: 9}]}
"""
    found, _ = resolve(SERVICE + text)
    assert [(e.address, e.ready) for es in found.values() for e in es] == [
        ("10.1.1.1", True),
        ("10.1.1.2", False),
    ]


def test_pods_are_matched_by_their_labels():
    text = SERVICE + pod("a", "10.244.0.1") + pod("b", "10.244.0.2", "False")
    text += pod("c", "10.244.0.3").replace("app: web", "app: other")
    text += pod("d", "10.244.0.4").replace("Running", "Succeeded")
    text += pod("e", "10.244.0.5").replace("labels:", 'deletionTimestamp: "2026-01-01", labels:')
    found, _ = resolve(text)
    assert [
        (e.pod, e.node, e.ready, e.serving, e.terminating) for es in found.values() for e in es
    ] == [
        ("a", "n1", True, True, False),
        ("b", "n1", False, False, False),
        ("e", "n1", False, True, True),
    ]


def test_publishing_makes_every_pod_ready():
    text = SERVICE.replace("selector", "publishNotReadyAddresses: true, selector")
    found, _ = resolve(text + pod("a", "10.244.0.1", "False"))
    assert [e.ready for es in found.values() for e in es] == [True]


def hints(text):
    found, _ = resolve(text)
    return [(e.zone, e.zone_hints, e.node_hints) for es in found.values() for e in es]


@pytest.mark.parametrize(
    ("distribution", "nodes"),
    [("PreferClose", ()), ("PreferSameZone", ()), ("PreferSameNode", ("n1",))],
)
def test_only_ready_pods_get_hints(distribution, nodes):
    text = SERVICE.replace("selector", f"trafficDistribution: {distribution}, selector")
    pods = pod("a", "10.244.0.1") + pod("b", "10.244.0.2", "False")
    assert hints(text + pods) == [("z1", ("z1",), nodes), ("z1", (), ())]
    assert hints(SERVICE + pods) == [("z1", (), ())] * 2
    published = text.replace("selector", "publishNotReadyAddresses: true, selector")
    assert hints(published + pods) == [("z1", ("z1",), nodes)] * 2
    elsewhere = pods.replace("nodeName: n1", "nodeName: n9")
    assert hints(text + elsewhere)[0] == ("", (), ("n9",) if nodes else ())


def test_the_hints_of_a_slice_are_left_as_they_are():
    text = SERVICE.replace("selector", "trafficDistribution: PreferSameNode, selector")
    entry = "[{addresses: [10.1.1.1], nodeName: n1, zone: z9, hints: {forZones: [{name: z8}]}}]"
    assert hints(text + SLICE.replace("ENDPOINTS", entry)) == [("z9", ("z8",), ())]


def test_a_named_port_of_another_protocol_is_none():
    text = SERVICE.replace("port: 80,", "port: 80, protocol: UDP,")
    assert resolve(text + pod("a", "10.244.0.1"))[1] == ["SVC223"]


def test_replicas_are_where_the_play_places_them():
    text = SERVICE + DEPLOYMENT.replace("KIND", "Deployment").replace("REPLICAS", "replicas: 3")
    found, codes = resolve(text, workloads=["n1", "10.244.0.9@n2", "10.244.0.8"])
    assert codes == []
    assert [(e.address, e.node) for es in found.values() for e in es] == [
        ("10.244.0.8", None),
        ("10.244.0.9", "k2"),
        ("192.0.2.1", "n1"),
    ]


def test_a_named_port_of_a_sidecar_counts_and_one_of_an_init_container_does_not():
    text = SERVICE + DEPLOYMENT.replace("KIND", "Deployment").replace("REPLICAS", "")
    found, codes = resolve(text.replace("targetPort: web", "targetPort: mesh"), workloads=["n1"])
    assert (addresses(found), codes) == ({"http": ["192.0.2.1:15001"]}, [])
    found, codes = resolve(text.replace("targetPort: web", "targetPort: setup"), workloads=["n1"])
    assert (found, codes) == ({}, ["SVC223"])


@pytest.mark.parametrize(
    "replicas, places, codes",
    [
        (2, ["n1"], ["SVC232"]),
        (1, ["n1", "n2"], ["SVC231"]),
        (1, ["n3"], ["SVC233"]),
        (1, ["n9"], ["SVC234"]),
    ],
)
def test_places_that_do_not_fit_are_named(replicas, places, codes):
    text = SERVICE + DEPLOYMENT.replace("KIND", "Deployment")
    found = resolve(text.replace("REPLICAS", f"replicas: {replicas}"), workloads=places)[1]
    assert found[: len(codes)] == codes


def test_a_daemon_set_is_on_every_node_of_its_plays():
    text = SERVICE + DEPLOYMENT.replace("KIND", "DaemonSet").replace("REPLICAS", "")
    found, codes = resolve(text, daemon_nodes=("n1", "n2"))
    assert codes == []
    assert addresses(found)["http"] == ["192.0.2.1:8080", "192.0.2.2:8080"]


def test_stateful_pods_have_names_of_their_own():
    text = SERVICE + DEPLOYMENT.replace("KIND", "StatefulSet")
    text = text.replace("REPLICAS", "serviceName: web\n  replicas: 2\n  ordinals: {start: 5}")
    found, _ = resolve(text, workloads=["n1", "10.244.0.9"])
    assert [(e.address, e.hostname, e.pod) for es in found.values() for e in es] == [
        ("10.244.0.9", "web-6", "web-6"),
        ("192.0.2.1", "web-5", "web-5"),
    ]


def test_a_placed_workload_that_is_not_there_is_a_warning():
    assert resolve(SERVICE, workloads=["n1"])[1] == ["SVC236", "SVC222"]


def test_two_families_of_a_pod_are_two_endpoints():
    text = SERVICE.replace("clusterIP: 10.96.0.1", "clusterIPs: [10.96.0.1, 'fd00::1']")
    text += pod("a", "10.244.0.1").replace(
        "podIP: 10.244.0.1", "podIPs: [{ip: 10.244.0.1}, {ip: 'fd01::1'}]"
    )
    found, _ = resolve(text)
    assert sorted((key.family.value, es[0].address) for key, es in found.items()) == [
        ("IPv4", "10.244.0.1"),
        ("IPv6", "fd01::1"),
    ]
