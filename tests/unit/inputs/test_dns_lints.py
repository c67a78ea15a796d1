"""What would surprise who asks for a name: told with its place in the file, and never an error."""

from __future__ import annotations

import pytest

from tests.unit.inputs.projects import PLAYBOOK, loaded, project

DNS = PLAYBOOK.replace("vars:\n", "vars:\n    dns: true\n")
LONG = ".".join(["x" * 60] * 4)


@pytest.fixture(autouse=True)
def _in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def alias(name, target):
    return f"""\
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec:
  type: ExternalName
  externalName: {target}
---
"""


def headless(*endpoints):
    listed = "\n".join(f"- {endpoint}" for endpoint in endpoints)
    return f"""\
apiVersion: v1
kind: Service
metadata:
  name: db
spec:
  clusterIP: None
  ports: [{{name: sql, port: 5432}}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: db-1
  labels: {{kubernetes.io/service-name: db}}
addressType: IPv4
ports: [{{name: sql, port: 5432}}]
endpoints:
{listed}
"""


#: Each with what is found: code and line.
CASES = {
    "an address": (alias("a", "192.0.2.7"), [("SVC251", 6)]),
    "itself": (alias("a", "a.default.svc.cluster.local"), [("SVC252", 6)]),
    "a ring": (
        alias("a", "b.default.svc.cluster.local") + alias("b", "a.default.svc.cluster.local."),
        [("SVC252", 6), ("SVC252", 13)],
    ),
    "into a ring": (
        alias("a", "b.default.svc.cluster.local") + alias("b", "b.default.svc.cluster.local"),
        [("SVC252", 6), ("SVC252", 13)],
    ),
    "nothing of the zone": (alias("a", "gone.default.svc.cluster.local"), [("SVC253", 6)]),
    "a label longer than 63": (alias("a", f"{'x' * 64}.example.com"), [("SVC254", 6)]),
    "outside": (alias("a", "www.example.com"), []),
    "many addresses": (
        headless(*(f"addresses: [10.244.{i // 250}.{i % 250 + 1}]" for i in range(80))),
        [("SVC256", 4)] * 2,  # A and SRV
    ),
    "as many as fit": (headless(*(f"addresses: [10.244.1.{i + 1}]" for i in range(9))), []),
}


def found(folder, playbook=DNS, **manifests):
    result = loaded(project(folder, playbook=playbook, **manifests))
    assert result.workspace is not None
    seen = [d for d in result.diagnostics if d.code.startswith("SVC25")]
    assert {d.severity.value for d in seen} <= {"warning"}
    return [(d.code, d.where.file, d.where.line) for d in seen]


@pytest.mark.parametrize("case", CASES)
def test_where_names_lead(tmp_path, case):
    text, wanted = CASES[case]

    assert found(tmp_path, web_yaml=text) == [
        (code, "services/web.yaml", line) for code, line in wanted
    ]


def test_names_longer_than_255_bytes(tmp_path):
    long = DNS.replace("dns: true", f"dns: true\n    cluster_domain: {LONG}")
    text = headless("addresses: [10.244.1.5]")

    assert found(tmp_path, long, web_yaml=text) == [("SVC254", "services/web.yaml", 4)]


@pytest.mark.parametrize("hostname", ["x" * 64, "a.b"])
def test_a_hostname_that_is_no_label(tmp_path, hostname):
    service, _, _ = headless("{}").partition("---")
    pod = f"""
apiVersion: v1
kind: Pod
metadata: {{name: db-0, labels: {{app: db}}}}
spec: {{hostname: {hostname}, subdomain: db, containers: [{{name: c}}]}}
status: {{phase: Running, podIP: 10.244.1.5}}
"""
    text = service.replace("spec:", "spec:\n  selector: {app: db}") + "---" + pod
    result = loaded(project(tmp_path, playbook=DNS, web_yaml=text))

    assert [(d.code, d.where.line) for d in result.diagnostics] == [("SVC254", 4)]


def test_nothing_is_told_where_nobody_serves_dns(tmp_path):
    assert found(tmp_path, PLAYBOOK, web_yaml=alias("a", "192.0.2.7")) == []


def test_ports_without_names(tmp_path):
    text = """\
        apiVersion: v1
        kind: Service
        metadata: {name: web}
        spec:
          ports:
          - {name: http, port: 80}
          - port: 443
        """
    result = loaded(project(tmp_path, playbook=DNS, web_yaml=text))
    told = {d.code: d for d in result.diagnostics}

    assert set(told) == {"SVC203", "SVC255"}, "the API server refuses it, and DNS has no SRV"
    assert (told["SVC255"].severity.value, told["SVC255"].where.line) == ("warning", 7)
