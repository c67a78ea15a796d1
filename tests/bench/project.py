"""Writes projects of any size, in the three ways in which people keep their manifests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: svc-{n:05d}
  namespace: default
  labels:
    app: svc-{n:05d}
spec:
  type: ClusterIP
  ports:
  - name: http
    port: 80
    protocol: TCP
    targetPort: 8080
"""
SLICE = """\
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: svc-{n:05d}-abcde
  namespace: default
  labels:
    kubernetes.io/service-name: svc-{n:05d}
addressType: IPv4
ports:
- name: http
  port: 8080
  protocol: TCP
endpoints:
"""
ENDPOINT = """\
- addresses:
  - {address}
  conditions:
    ready: true
"""
#: As `kubectl get services,endpointslices -A -o yaml` prints them (kubectl v1.36).
LISTED_SERVICE = """\
- apiVersion: v1
  kind: Service
  metadata:
    creationTimestamp: "2026-05-04T08:15:30Z"
    labels:
      app: svc-{n:05d}
    name: svc-{n:05d}
    namespace: default
    resourceVersion: "{version}"
    uid: 4f3a1c52-8a5b-4b0e-9c55-{n:012d}
  spec:
    clusterIP: {cluster_ip}
    clusterIPs:
    - {cluster_ip}
    internalTrafficPolicy: Cluster
    ipFamilies:
    - IPv4
    ipFamilyPolicy: SingleStack
    ports:
    - name: http
      port: 80
      protocol: TCP
      targetPort: 8080
    selector:
      app: svc-{n:05d}
    sessionAffinity: None
    type: ClusterIP
  status:
    loadBalancer: {{}}
"""
LISTED_SLICE = """\
- addressType: IPv4
  apiVersion: discovery.k8s.io/v1
  endpoints:
{endpoints}  kind: EndpointSlice
  metadata:
    annotations:
      endpoints.kubernetes.io/last-change-trigger-time: "2026-05-04T08:15:31Z"
    creationTimestamp: "2026-05-04T08:15:30Z"
    generateName: svc-{n:05d}-
    generation: 3
    labels:
      app: svc-{n:05d}
      endpointslice.kubernetes.io/managed-by: endpointslice-controller.k8s.io
      kubernetes.io/service-name: svc-{n:05d}
    name: svc-{n:05d}-abcde
    namespace: default
    ownerReferences:
    - apiVersion: v1
      blockOwnerDeletion: true
      controller: true
      kind: Service
      name: svc-{n:05d}
      uid: 4f3a1c52-8a5b-4b0e-9c55-{n:012d}
    resourceVersion: "{version}"
    uid: 9d1e2b77-1f0c-4a39-b6a1-{n:012d}
  ports:
  - name: http
    port: 8080
    protocol: TCP
"""
LISTED_ENDPOINT = """\
  - addresses:
    - {address}
    conditions:
      ready: true
      serving: true
      terminating: false
    nodeName: node-{m:04d}
    targetRef:
      kind: Pod
      name: svc-{n:05d}-7d9c6b8f5-{m:05d}
      namespace: default
      uid: 2c0a7d18-55f1-4f6e-8f0d-{m:012d}
"""
PLAYBOOK = """\
- name: edge
  hosts: all
  vars: {service_cidrs: [10.96.0.0/12]}
  manifests: [../services/]
"""


def write_project(folder: Path, inventory: str, layout: str, services: int, endpoints: int) -> int:
    """Write a project of so many Services with so many endpoints each; gives bytes of manifests."""
    (folder / "playbooks").mkdir(parents=True)
    (folder / "services").mkdir()
    (folder / "inventory.yml").write_text(inventory)
    (folder / "playbooks" / "site.yml").write_text(PLAYBOOK)
    LAYOUTS[layout](folder / "services", services, endpoints)
    return sum(file.stat().st_size for file in (folder / "services").iterdir())


def _many_files(folder: Path, services: int, endpoints: int) -> None:
    for n in range(services):
        (folder / f"svc-{n:05d}.yaml").write_text("---\n".join(_documents(n, endpoints)))


def _one_file(folder: Path, services: int, endpoints: int) -> None:
    documents = (document for n in range(services) for document in _documents(n, endpoints))
    (folder / "all.yaml").write_text("---\n".join(documents))


def _documents(n: int, endpoints: int) -> tuple[str, str]:
    addresses = _addresses(n, endpoints)
    return (
        SERVICE.format(n=n),
        SLICE.format(n=n) + "".join(ENDPOINT.format(address=address) for _, address in addresses),
    )


def _one_list(folder: Path, services: int, endpoints: int) -> None:
    (folder / "all.yaml").write_text("".join(_listed(services, endpoints)))


def _listed(services: int, endpoints: int) -> Iterator[str]:
    yield "apiVersion: v1\nitems:\n"
    for n in range(services):
        cluster_ip = f"10.{96 + (n + 1) // 65536}.{(n + 1) // 256 % 256}.{(n + 1) % 256}"
        yield LISTED_SERVICE.format(n=n, version=100_000 + n, cluster_ip=cluster_ip)
    for n in range(services):
        found = (
            LISTED_ENDPOINT.format(n=n, m=m, address=address)
            for m, address in _addresses(n, endpoints)
        )
        yield LISTED_SLICE.format(n=n, version=200_000 + n, endpoints="".join(found))
    yield 'kind: List\nmetadata:\n  resourceVersion: ""\n'


def _addresses(n: int, endpoints: int) -> Iterator[tuple[int, str]]:
    for m in range(n * endpoints, (n + 1) * endpoints):
        yield m, f"10.{200 + m // 65536}.{m // 256 % 256}.{m % 256}"


#: The ways of keeping manifests, by title.
LAYOUTS = {"one file": _one_file, "a file a Service": _many_files, "kubectl's List": _one_list}
