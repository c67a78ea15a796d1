"""A whole project, from its files to the frozen workspace or to its findings."""

import shutil
from pathlib import Path

import pytest

from svcform.diagnostics import Severity, errors
from svcform.model.net import Family, Protocol
from svcform.model.service import NamespacedName
from svcform.policy.decide import decide
from tests.unit.inputs.projects import PLAYBOOK, TUTORIAL, loaded, project, shown

WEB = NamespacedName("default", "web")
ZONED = """
all:
  hosts:
    worker-1: {ansible_host: 192.0.2.11, zone: a}
    worker-2: {ansible_host: 192.0.2.12, zone: b}
    worker-3: {ansible_host: 192.0.2.13, node_name: k3}
    worker-4: {ansible_host: 192.0.2.14}
"""
WORKER_3 = """
apiVersion: v1
kind: Node
metadata: {name: k3, labels: {topology.kubernetes.io/zone: b}}
"""
PLACED = PLAYBOOK + "  workloads:\n    default/web: [worker-1, worker-2, 10.244.1.5@worker-1]\n"
POOLED = PLAYBOOK.replace(
    "  vars:\n", "  vars:\n    load_balancer_pools: {main: [198.51.100.0/24]}\n"
)
SPREAD = PLAYBOOK + "  workloads:\n    default/web: [worker-1, worker-2, worker-3]\n"
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: NAME}
spec:
  ports: [{port: 80}]
"""


@pytest.fixture(autouse=True)
def _in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def places(result, key=WEB):
    return {
        (port.name, port.protocol.value): [(e.address, e.port, e.node) for e in found]
        for port, found in result.workspace.endpoints[key].items()
    }


def test_kubernetes_own_tutorial_is_valid_as_it_stands(tmp_path):
    result = loaded(project(tmp_path, playbook=PLACED, web_yaml=TUTORIAL))
    assert shown(result) == []
    service = result.workspace.services[WEB]
    assert service.cluster_ips[0].startswith("10.96.")
    assert service.ip_families == (Family.IPV4,)
    assert places(result) == {
        ("", "TCP"): [
            ("10.244.1.5", 8080, "worker-1"),
            ("192.0.2.11", 8080, "worker-1"),
            ("192.0.2.12", 8080, "worker-2"),
        ]
    }
    assert service.cluster_ips[0].encode() in result.lock_text


def test_a_second_load_with_the_lock_file_changes_nothing(tmp_path):
    folder = project(tmp_path, playbook=PLACED, web_yaml=TUTORIAL)
    first = loaded(folder)
    first.lock_path.write_bytes(first.lock_text)
    second = loaded(folder, locked=True)
    assert second.lock_text is None
    assert second.workspace.services == first.workspace.services


def test_locked_is_an_error_where_the_lock_file_is_not_complete(tmp_path):
    result = loaded(project(tmp_path, playbook=PLACED, web_yaml=TUTORIAL), locked=True)
    assert result.workspace is None
    assert result.lock_text is None
    assert "SVC324" in {d.code for d in result.diagnostics}


def test_a_dump_of_a_cluster_is_valid_as_it_is(tmp_path):
    folder = project(tmp_path)
    shutil.copy(Path(__file__).parent / "data" / "kubectl-dump.yaml", folder / "services")
    result = loaded(folder)
    assert shown(result) == []
    shop = result.workspace.endpoints[NamespacedName("web", "shop")]
    ((key, endpoints),) = shop.items()
    assert (key.name, key.protocol) == ("http", Protocol.TCP)
    assert [(e.address, e.ready, e.serving, e.terminating) for e in endpoints] == [
        ("10.244.1.4", True, True, False),
        ("10.244.2.9", False, True, True),
    ]
    assert endpoints[0].zone_hints == ("a",)
    assert endpoints[0].pod == "shop-6c9d7b5d8f-2xk4q"
    dns = NamespacedName("kube-system", "kube-dns")
    assert places(result, dns)["dns", "UDP"] == [("10.244.1.2", 53, "worker-1")]
    assert [node.settings.zone for node in result.workspace.nodes] == ["a", ""]


def test_everything_wrong_is_said_at_once_and_where(tmp_path):
    text = """
    apiVersion: v1
    kind: Service
    metadata: {name: web, labels: {vip: yes}}
    spec:
      selctor: {app: web}
      ports:
      - port: 70000
      - {name: b, port: 010}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: Shop}
    spec:
      ports:
      - {port: 80, nodePort: 30000}
      - {port: 80}
    ---
    a: [
    """
    result = loaded(project(tmp_path, web_yaml=text))
    assert result.workspace is None
    assert shown(result, least=Severity.ERROR) == [
        "web.yaml:3:37 SVC153",
        "web.yaml:5:3 SVC161",
        "web.yaml:7:11 SVC162",
        "web.yaml:8:21 SVC153",
        "web.yaml:12:18 SVC202",
        "web.yaml:15:5 SVC203",
        "web.yaml:15:26 SVC203",
        "web.yaml:16:5 SVC203",
        "web.yaml:16:12 SVC203",
        "web.yaml:19:1 SVC151",
    ]


SOUND_PARTS = {
    "{clusterIP: 10.96.0.300, colour: red, ports: [{port: 80}]}": ["SVC202", "SVC161"],
    "{clusterIP: 10.96.0.300, ports: [{port: 0}, {port: 81}]}": ["SVC202", "SVC162", "SVC203"],
    "{sessionAffinity: Yes, externalIPs: [a], ports: [{port: 80}]}": ["SVC153", "SVC202"],
    "{type: Nodeport, externalIPs: [a], ports: [{port: 80, nodePort: 1}]}": ["SVC162", "SVC202"],
    "{typ: NodePort, ports: [{port: 80, nodePort: 30000}]}": ["SVC161"],
    "{prots: [{port: 80}]}": ["SVC161"],
    "{ports: [{nam: a, port: 80}, {name: b, port: 81}]}": ["SVC161"],
    "{ports: [{port: 80, targetPort: [1]}, {name: b, port: 80}]}": ["SVC162"],
    "{clusterIP: [10.96.0.1], ports: []}": ["SVC162"],
    "[]": ["SVC162"],
}


@pytest.mark.parametrize("spec, codes", SOUND_PARTS.items())
def test_the_sound_parts_of_a_refused_service_are_checked_and_no_others(tmp_path, spec, codes):
    text = f"apiVersion: v1\nkind: Service\nmetadata: {{name: web}}\nspec: {spec}\n"
    for manifest in (text, f"apiVersion: v1\nkind: List\nitems:\n- {{{_flow(spec)}}}\n"):
        result = loaded(project(tmp_path, web_yaml=manifest))
        assert [d.code for d in result.diagnostics] == codes


def _flow(spec):
    return f"apiVersion: v1, kind: Service, metadata: {{name: web}}, spec: {spec}"


def test_a_port_that_was_to_be_in_spec_is_not_said_to_be_missing(tmp_path):
    text = "apiVersion: v1\nkind: Service\nmetadata: {name: Web}\nspec: {}\nports: [{port: 80}]\n"
    assert shown(loaded(project(tmp_path, web_yaml=text))) == [
        "web.yaml:3:18 SVC202",
        "web.yaml:5:1 SVC161",
    ]


def test_wrong_addresses_of_endpoints_hide_no_other_mistake(tmp_path):
    text = """
    apiVersion: discovery.k8s.io/v1
    kind: EndpointSlice
    metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
    addressType: IPv4
    ports: [{port: 8080}, {port: 0}, {name: b, port: 1}]
    endpoints:
    - {addresses: [10.0.0.300], hostname: a_b}
    - {addresses: [10.0.0.3], hostname: DB-0}
    """
    endpoints = """
    apiVersion: v1
    kind: Endpoints
    metadata: {name: shop}
    subsets: [{notReadyAddresses: [{ip: 10.0.0.300, hostname: a.b}], ports: [{port: 1}]}]
    """
    services = "---".join(SERVICE.replace("NAME", name) for name in ("web", "shop"))
    result = loaded(project(tmp_path, a_yaml=text, b_yaml=endpoints, services_yaml=services))
    assert shown(result) == [
        "a.yaml:5:23 SVC212",
        "a.yaml:5:30 SVC213",
        "a.yaml:7:15 SVC211",
        "a.yaml:7:39 SVC212",
        "a.yaml:8:37 SVC212",
        "b.yaml:4:11 SVC211",
        "b.yaml:4:59 SVC212",
    ]


def test_nothing_in_a_list_is_told(tmp_path):
    text = "apiVersion: v1\nkind: List\nitems:\n- null\n- {kind: Service}\n"
    assert [place[:10] for place in shown(loaded(project(tmp_path, web_yaml=text)))] == [
        "web.yaml:4",
        "web.yaml:5",
    ]


def test_the_inventorys_mistakes_do_not_hide_the_manifests(tmp_path):
    text = SERVICE.replace("NAME", "web") + "  colour: red\n"
    playbook = PLAYBOOK + "  colour: red\n"
    result = loaded(project(tmp_path, playbook=playbook, web_yaml=text))
    assert result.workspace is None
    assert [finding.split(":")[0] for finding in shown(result)] == ["site.yml", "web.yaml"]


def test_an_invalid_workload_is_not_reported_twice(tmp_path):
    result = loaded(project(tmp_path, web_yaml=TUTORIAL.replace("replicas", "replica")))
    assert [finding.split()[-1] for finding in shown(result)] == ["SVC161"]


def test_unknown_fields_are_as_severe_as_asked(tmp_path):
    text = SERVICE.replace("NAME", "web") + "  colour: red\n"
    folder = project(tmp_path, web_yaml=text)
    assert shown(loaded(folder)) == ["web.yaml:6:3 SVC161"]
    warned = loaded(folder, validate="warn")
    assert shown(warned) == ["web.yaml:6:3 SVC161"]
    assert warned.workspace is not None
    assert shown(loaded(folder, validate="ignore")) == []


def test_an_unknown_field_of_an_object_from_a_cluster_is_a_warning(tmp_path):
    text = SERVICE.replace("{name: NAME}", '{name: web, resourceVersion: "5"}') + "  colour: red\n"
    result = loaded(project(tmp_path, web_yaml=text))
    assert shown(result) == ["web.yaml:6:3 SVC161"]
    assert result.workspace is not None


def test_a_service_that_is_there_twice_is_an_error(tmp_path):
    a, b = SERVICE.replace("NAME", "web"), SERVICE.replace("NAME", "web").replace("80", "81")
    result = loaded(project(tmp_path, a_yaml=a, b_yaml=b))
    assert shown(result) == ["b.yaml:3:18 SVC201"]
    assert "services/a.yaml" in result.diagnostics[0].detail


def test_two_services_on_one_external_address_are_an_error(tmp_path):
    a, b = (SERVICE.replace("NAME", name) + "  externalIPs: [203.0.113.7]\n" for name in ("a", "b"))
    result = loaded(project(tmp_path, a_yaml=a, b_yaml=b))
    assert shown(result) == ["b.yaml:6:16 SVC241"]


def balanced(name, *, check, ports="{port: 80}"):
    return f"""
        apiVersion: v1
        kind: Service
        metadata: {{name: {name}}}
        spec:
          type: LoadBalancer
          externalTrafficPolicy: Local
          healthCheckNodePort: {check}
          ports: [{ports}]
    """


@pytest.mark.parametrize(
    ("checks", "ports", "found"),
    [
        ((30100, 30100), "{port: 80}", ["b.yaml:7:24 SVC241"]),
        ((30100, 30101), "{port: 80, nodePort: 30100}", ["b.yaml:8:32 SVC241"]),
        ((30100, 30101), "{port: 80, nodePort: 30101}", ["b.yaml:7:24 SVC241"]),
        ((30100, 30101), "{port: 80, protocol: UDP, nodePort: 30100}", []),
        ((30100, 30101), "{port: 80}", []),
    ],
)
def test_a_health_check_has_its_node_port_to_itself(tmp_path, checks, ports, found):
    a, b = balanced("a", check=checks[0]), balanced("b", check=checks[1], ports=ports)
    result = loaded(project(tmp_path, playbook=POOLED, a_yaml=a, b_yaml=b))
    assert [place for place in shown(result) if "SVC241" in place] == found


def test_the_other_owner_of_a_health_checks_port_is_named(tmp_path):
    a, b = balanced("a", check=30100), balanced("b", check=30100)
    (clash,) = errors(loaded(project(tmp_path, playbook=POOLED, a_yaml=a, b_yaml=b)).diagnostics)
    assert clash.detail.startswith(
        "*:30100/TCP is the healthCheckNodePort of default/b and the healthCheckNodePort of "
        "default/a (services/a.yaml)"
    )


def test_a_nodes_address_is_fine_while_sshd_keeps_its_port(tmp_path):
    text = SERVICE.replace("NAME", "web") + "  externalIPs: [192.0.2.12]\n"
    assert shown(loaded(project(tmp_path, web_yaml=text))) == []


def test_a_service_on_a_nodes_address_with_sshds_port_is_an_error(tmp_path):
    text = SERVICE.replace("NAME", "web").replace("80", "22") + "  externalIPs: [192.0.2.12]\n"
    assert shown(loaded(project(tmp_path, web_yaml=text))) == ["web.yaml:5:10 SVC242"]


@pytest.mark.parametrize(
    ("mode", "found"), [("userspace", ["web.yaml:5:32 SVC244"]), ("nftables", [])]
)
def test_sctp_where_a_mode_has_none_is_an_error_at_its_place(tmp_path, mode, found):
    text = SERVICE.replace("NAME", "web").replace("port: 80", "port: 80, protocol: SCTP")
    playbook = PLAYBOOK.replace("  vars:\n", f"  vars:\n    proxy_mode: {mode}\n")
    result = loaded(project(tmp_path, playbook=playbook, web_yaml=text))
    assert shown(result) == found
    assert all("worker-1 has proxy_mode: userspace" in d.detail for d in result.diagnostics)


def test_a_selector_that_matches_nothing_is_a_warning(tmp_path):
    text = SERVICE.replace("NAME", "web") + "  selector: {app: nobody}\n"
    result = loaded(project(tmp_path, web_yaml=text))
    assert shown(result) == ["web.yaml:6:13 SVC222"]
    assert result.workspace is not None


def test_a_deployment_that_nobody_placed_is_named(tmp_path):
    result = loaded(project(tmp_path, web_yaml=TUTORIAL))
    (finding,) = [d for d in result.diagnostics if d.severity is Severity.WARNING]
    assert finding.code == "SVC222"
    assert "workloads: {default/web:" in finding.detail


def test_a_template_sees_the_plays_variables(tmp_path):
    text = SERVICE.replace("NAME", "{{ app }}")
    playbook = PLAYBOOK.replace("  vars:\n", "  vars:\n    app: shop\n")
    result = loaded(project(tmp_path, playbook=playbook, web_yaml_j2=text))
    assert list(result.workspace.services) == [NamespacedName("default", "shop")]


def test_a_template_error_names_the_line(tmp_path):
    text = SERVICE.replace("NAME", "{{ nobody }}")
    assert shown(loaded(project(tmp_path, web_yaml_j2=text))) == ["web.yaml.j2:3:1 SVC156"]


def test_a_mistake_in_a_template_is_found_in_the_template(tmp_path):
    text = "{# a comment #}\n" + SERVICE.lstrip().replace("NAME", "web") + "  colour: red\n"
    assert shown(loaded(project(tmp_path, web_yaml_j2=text))) == ["web.yaml.j2:7:3 SVC161"]


def test_a_template_reaches_nothing_of_python(tmp_path):
    text = SERVICE.replace("NAME", "\"{{ ''.__class__.__mro__ }}\"")
    assert shown(loaded(project(tmp_path, web_yaml_j2=text))) == ["web.yaml.j2:3:1 SVC156"]


def test_other_kinds_are_skipped_with_one_notice_each(tmp_path):
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\n" * 2
    result = loaded(project(tmp_path, web_yaml=text))
    assert [(d.code, d.severity) for d in result.diagnostics] == [("SVC157", Severity.NOTICE)]
    assert result.diagnostics[0].detail.startswith("2 objects of kind v1 ConfigMap")


def test_a_play_has_the_services_of_its_own_manifests(tmp_path):
    play = (
        "- {name: WHO, hosts: WHO, vars: {service_cidrs: [10.96.0.0/16]}, "
        "manifests: [../services/FILE.yaml, ../services/c*]}\n"
    )
    playbook = play.replace("WHO", "worker-1").replace("FILE", "a")
    playbook += play.replace("WHO", "worker-2").replace("FILE", "b")
    manifests = {f"{name}_yaml": SERVICE.replace("NAME", name) for name in "abc"}
    result = loaded(project(tmp_path, playbook=playbook, **manifests))
    assert shown(result) == []
    assert [[key.name for key in keys] for keys in result.workspace.play_services] == [
        ["a", "c"],
        ["b", "c"],
    ]


def test_a_manifest_that_is_not_there_is_an_error_in_the_playbook(tmp_path):
    playbook = PLAYBOOK.replace("../services/", "../nowhere/*.yaml")
    assert shown(loaded(project(tmp_path, playbook=playbook))) == ["site.yml:6:15 SVC150"]


def test_limit_leaves_the_endpoints_on_other_nodes(tmp_path):
    folder = project(tmp_path, playbook=PLACED, web_yaml=TUTORIAL)
    result = loaded(folder, limit="worker-1")
    assert [node.name for node in result.workspace.nodes] == ["worker-1"]
    assert ("192.0.2.12", 8080, "worker-2") in places(result)["", "TCP"]


def test_a_managed_node_that_vanished_stops_the_plan(tmp_path):
    folder = project(tmp_path, playbook=PLACED, web_yaml=TUTORIAL)
    first = loaded(folder)
    first.lock_path.write_bytes(first.lock_text.replace(b"worker-2", b"worker-9"))
    result = loaded(folder)
    assert result.workspace is None
    assert "svcform forget worker-9" in " ".join(d.detail for d in result.diagnostics)


def test_json_is_a_manifest_like_any_other(tmp_path):
    text = '{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},\n'
    good = text + '\t"spec": {"ports": [{"port": 80}]}}'
    assert shown(loaded(project(tmp_path, web_json=good))) == []
    bad = good.replace("80", "80000")
    assert shown(loaded(project(tmp_path, web_json=bad))) == ["web.json:2:30 SVC162"]


def test_two_plays_may_render_one_template_alike_and_not_differently(tmp_path):
    play = "- {name: N, hosts: N, vars: {service_cidrs: [10.96.0.0/16], p: P}, "
    play += "manifests: [../services/]}\n"
    one = play.replace("N", "worker-1").replace("name: worker-1", "name: a")
    two = play.replace("N", "worker-2").replace("name: worker-2", "name: b")
    text = SERVICE.replace("NAME", "web").replace("80", "{{ p }}")
    alike = one.replace("P}", "80}") + two.replace("P}", "80}")
    result = loaded(project(tmp_path, playbook=alike, web_yaml_j2=text))
    assert shown(result) == []
    assert [len(keys) for keys in result.workspace.play_services] == [1, 1]
    different = one.replace("P}", "80}") + two.replace("P}", "81}")
    result = loaded(project(tmp_path, playbook=different, web_yaml_j2=text))
    assert [finding.split()[-1] for finding in shown(result)] == ["SVC201"]


def steered(distribution):
    return TUTORIAL.replace(
        "  selector: {", f"  trafficDistribution: {distribution}\n  selector: {{"
    )


@pytest.mark.parametrize(
    ("distribution", "reached"),
    [
        ("null", ["123", "123", "123", "123"]),
        ("PreferClose", ["1", "23", "23", "123"]),
        ("PreferSameZone", ["1", "23", "23", "123"]),
        ("PreferSameNode", ["1", "2", "3", "123"]),
    ],
)
def test_traffic_stays_as_near_as_the_service_prefers(tmp_path, distribution, reached):
    text = steered(distribution)
    folder = project(tmp_path, inventory=ZONED, playbook=SPREAD, web_yaml=text, node_yaml=WORKER_3)
    result = loaded(folder)
    assert shown(result) == []
    assert [
        "".join(d.address[-1] for d in port.endpoints)
        for intent in decide(result.workspace).values()
        for port in (*intent.common.ports, *intent.own.ports)
    ] == reached
    (endpoints,) = result.workspace.endpoints[WEB].values()
    assert [e.zone for e in endpoints] == ["a", "b", "b"]


def test_a_distribution_that_kubernetes_does_not_know_is_an_error(tmp_path):
    result = loaded(project(tmp_path, playbook=PLACED, web_yaml=steered("PreferNear")))
    assert shown(result) == ["web.yaml:25:24 SVC162"]
    assert "one of PreferClose, PreferSameNode, PreferSameZone" in result.diagnostics[0].detail
