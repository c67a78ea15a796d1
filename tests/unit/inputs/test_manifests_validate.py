"""Schemas: what each kind takes, and what is said about the rest."""

import pytest
import yaml

from svcform.inputs.cluster import objects_of
from svcform.inputs.kinds import KINDS
from svcform.inputs.manifests import ManifestPaths, read_manifests
from svcform.inputs.validate import validate

POD_TEMPLATE = "{metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}"
SMALLEST = {
    "Service": "spec: {ports: [{port: 80}]}",
    "EndpointSlice": "addressType: IPv4",
    "Endpoints": "subsets: []",
    "Pod": "spec: {containers: [{name: c}]}",
    "Deployment": f"spec: {{template: {POD_TEMPLATE}}}",
    "StatefulSet": f"spec: {{serviceName: s, template: {POD_TEMPLATE}}}",
    "DaemonSet": f"spec: {{template: {POD_TEMPLATE}}}",
    "ReplicaSet": f"spec: {{template: {POD_TEMPLATE}}}",
    "Node": "spec: {podCIDR: 10.244.1.0/24}",
    "Namespace": "status: {phase: Active}",
    "ServiceCIDR": "spec: {cidrs: [10.96.0.0/16]}",
}


def of_kind(kind, body):
    value = yaml.safe_load(body)
    return {"apiVersion": KINDS[kind].api_version, "kind": kind, "metadata": {"name": "x"}, **value}


def findings(value, validation="strict"):
    kept, found = validate(objects_of([value]), validation)
    return kept[0] is not None, [(d.code, d.severity.value, d.detail) for d in found]


@pytest.mark.parametrize("kind", KINDS)
def test_the_smallest_object_of_each_kind_is_valid(kind):
    assert findings(of_kind(kind, SMALLEST[kind])) == (True, [])


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_field_is_found_in_each_kind(kind):
    value = {**of_kind(kind, SMALLEST[kind]), "colour": "red"}
    kept, found = findings(value)
    assert not kept
    assert [code for code, _, _ in found] == ["SVC161"]


@pytest.mark.parametrize(
    "kind, body, words",
    [
        ("Service", "spec: {prots: []}", "did you mean 'ports'?"),
        ("Service", "spec: {ports: [{port: 0}]}", "spec.ports[0].port is 0, but must be from 1 to"),
        ("Service", "spec: {ports: [{port: '80'}]}", "remove the quotes"),
        ("Service", "spec: {ports: [{}]}", "spec.ports[0] lacks 'port'; add it"),
        ("Service", "spec: {ports: [], type: LB}", "must be one of ClusterIP, NodePort, LoadBal"),
        ("Service", "spec: {selector: {a: 1}}", "must be a text; quote it"),
        ("Service", "spec: {selector: [a]}", "spec.selector is a list, but must be a mapping"),
        ("Service", "spec: {sessionAffinityConfig: {clientIP: {timeoutSeconds: 90000}}}", "86400"),
        ("Deployment", "spec: {replicas: -1, template: {}}", "at least 0"),
        (
            "Deployment",
            "spec: {template: {spec: {containers: [{ports: [{containerPort: http}]}]}}}",
            "spec.template.spec.containers[0].ports[0].containerPort is 'http'",
        ),
        ("EndpointSlice", "{addressType: ipv4}", "must be one of IPv4, IPv6, FQDN"),
    ],
)
def test_a_wrong_value_is_explained(kind, body, words):
    kept, found = findings(of_kind(kind, body))
    assert not kept
    assert any(words in detail for _, _, detail in found), found


def test_every_finding_of_an_object_is_given():
    _, found = findings(of_kind("Service", "spec: {prots: [], type: LB, clusterIP: 5}"))
    assert sorted(code for code, _, _ in found) == ["SVC161", "SVC162", "SVC162"]


@pytest.mark.parametrize(
    "validation, version, severity",
    [
        ("strict", "", "error"),
        ("strict", "7", "warning"),
        ("warn", "", "warning"),
        ("ignore", "", None),
    ],
)
def test_unknown_fields_are_as_severe_as_kubectl_has_them(validation, version, severity):
    value = of_kind("Service", "spec: {ports: [{port: 80}], colour: red}")
    value["metadata"]["resourceVersion"] = version
    kept, found = findings(value, validation)
    assert [s for _, s, _ in found] == ([severity] if severity else [])
    assert kept is (severity != "error")


FULL = """
metadata: {name: x, namespace: y, labels: {a: b}, annotations: {a: b}}
spec:
  type: LoadBalancer
  clusterIP: 10.96.0.1
  clusterIPs: [10.96.0.1, 'fd00::1']
  ipFamilies: [IPv4, IPv6]
  ipFamilyPolicy: RequireDualStack
  selector: {a: b}
  sessionAffinity: ClientIP
  sessionAffinityConfig: {clientIP: {timeoutSeconds: 5}}
  externalIPs: [192.0.2.1]
  externalTrafficPolicy: Local
  internalTrafficPolicy: Local
  healthCheckNodePort: 31000
  loadBalancerIP: 192.0.2.2
  loadBalancerClass: a/b
  loadBalancerSourceRanges: [192.0.2.0/24]
  allocateLoadBalancerNodePorts: false
  ports:
  - {name: a, port: 80, nodePort: 30080, targetPort: web, protocol: TCP}
  - {name: b, port: 81, nodePort: 30081}
status: {loadBalancer: {ingress: [{ip: 192.0.2.3}]}}
"""


def places(value, path=()):
    yield path
    if isinstance(value, dict | list):
        for step, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*path, step))


def mistyped(path):
    """``FULL`` with a letter too much in the name of a field."""
    value = of_kind("Service", FULL)
    inside = value
    for step in path[:-1]:
        inside = inside[step]
    inside[f"{path[-1]}s"] = inside.pop(path[-1])
    return value


def replaced(path, by):
    """``FULL`` with another value at one place."""
    value = of_kind("Service", FULL)
    inside = value
    for step in path[:-1]:
        inside = inside[step]
    inside[path[-1]] = by
    return value


PLACES = [p for p in places(of_kind("Service", FULL)) if len(p) > 1]


@pytest.mark.parametrize("path", PLACES)
def test_one_wrong_place_in_a_service_is_all_that_is_told(path):
    wrong = [replaced(path, by) for by in (5, -1, "?", [], [[]], {}, {"a": {}}, True)]
    if isinstance(path[-1], str):
        wrong.append(mistyped(path))
    refused = 0
    for value in wrong:
        _, found = findings(value)
        refused += bool(found)
        assert {code for code, _, _ in found} <= {"SVC161", "SVC162"}, found
    assert refused


def read(folder, text):
    (folder / "x.yaml").write_text(text)
    manifests = read_manifests([ManifestPaths([folder], [], {})])
    kept, found = validate(manifests.objects, "strict")
    return kept, [*manifests.diagnostics, *found]


@pytest.mark.parametrize(
    "field, matters",
    [
        ("metadata: {name: x, labels: {a: yes}}", True),
        ("metadata: {name: x, annotations: {a: 12:30}}", True),
        ("metadata: {name: x, managedFields: [{a: yes}]}", False),
    ],
)
def test_an_ambiguous_scalar_is_an_error_only_where_it_matters(tmp_path, field, matters):
    text = f"apiVersion: v1\nkind: Namespace\n{field}\n"
    assert [d.code for d in read(tmp_path, text)[1]] == (["SVC153"] if matters else [])


def test_keys_that_are_no_text_are_read_as_kubernetes_does(tmp_path):
    text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: x, labels: {1: a, true: b}}\n"
    kept, found = read(tmp_path, text)
    assert found == []
    assert kept[0].value["metadata"]["labels"] == {"1": "a", "true": "b"}


def test_a_typed_list_gives_its_items_their_kind(tmp_path):
    text = "apiVersion: v1\nkind: NamespaceList\nitems: [{metadata: {name: a}}, {metadata: {}}]\n"
    kept, found = read(tmp_path, text)
    assert found == []
    assert [item.kind.name for item in kept] == ["Namespace", "Namespace"]


@pytest.mark.parametrize(
    "text, code",
    [
        ("apiVersion: v1\nkind: Deployment\nmetadata: {name: x}\n", "SVC155"),
        ("apiVersion: apps/v1beta1\nkind: Deployment\nmetadata: {name: x}\n", "SVC155"),
        ("- a\n", "SVC155"),
        ("a: b\n", "SVC155"),
        ("apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: x}\n", "SVC157"),
    ],
)
def test_what_is_no_object_of_a_known_kind(tmp_path, text, code):
    found = read(tmp_path, text)[1]
    assert code in [d.code for d in found]
