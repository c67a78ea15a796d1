"""How long reading takes: ``python tests/bench/bench_read.py [SERVICES] [ENDPOINTS]``.

Each step runs in a process of its own, cold, and is compared with PyYAML's C loader on the same
files.  It prints a table in Markdown; it is no test, because a shared machine has moods.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

SERVICE = """---
apiVersion: v1
kind: Service
metadata:
  name: svc-{n:05d}
  namespace: default
  labels:
    app: svc-{n:05d}
spec:
  type: ClusterIP
  clusterIP: 10.{a}.{b}.{c}
  ports:
  - name: http
    port: 80
    protocol: TCP
    targetPort: 8080
---
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
ENDPOINT = "- addresses: [10.{a}.{b}.{c}]\n  conditions: {{ready: true}}\n"
INVENTORY = "all:\n  hosts:\n    edge-1: {ansible_host: 192.0.2.11}\n"
PLAYBOOK = (
    "- name: edge\n  hosts: edge-1\n  vars: {service_cidrs: [10.96.0.0/12]}\n"
    "  manifests: [../services/]\n"
)

CLOCK = """
import gc, resource, sys, time
from pathlib import Path
folder = Path(sys.argv[1])
begin = time.perf_counter()
{step}
took = time.perf_counter() - begin
print(took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
READ = """
import yaml
for file in sorted((folder / "services").glob("*.yaml")):
    list(yaml.load_all(file.read_text(), Loader=yaml.CSafeLoader))
"""
OURS = """
gc.disable()
from svcform.inputs.manifests import ManifestPaths, read_manifests
found = read_manifests([ManifestPaths([folder / "services"], [], {})])
assert not found.diagnostics
"""
STEPS = {
    "PyYAML CSafeLoader": READ,
    "PyYAML CSafeLoader, collector off": "gc.disable()\n" + READ,
    "svcform reads": OURS,
    "jsonschema validates": OURS
    + """
import jsonschema
from svcform.inputs.schema_files import schema
begin = time.perf_counter()
validators = {
    name: jsonschema.Draft202012Validator(schema(name)) for name in ("service", "endpointslice")
}
assert not any(
    list(validators[item.kind.schema].iter_errors(item.value)) for item in found.objects
)
""",
    "svcform validates": OURS
    + """
from svcform.inputs.validate import validate
begin = time.perf_counter()
assert not validate(found.objects, "strict")[1]
""",
    "svcform loads it all": """
from svcform.inputs.workspace import LoadRequest, load
loaded = load(LoadRequest(project=folder))
assert loaded.workspace is not None
""",
}


def generate(folder: Path, services: int, endpoints: int) -> int:
    """Write a project of so many Services with so many endpoints; gives the size in bytes."""
    (folder / "playbooks").mkdir()
    (folder / "services").mkdir()
    (folder / "inventory.yml").write_text(INVENTORY)
    (folder / "playbooks" / "site.yml").write_text(PLAYBOOK)
    parts = []
    for n in range(services):
        a, b, c = 96 + (n + 1) // 65536, (n + 1) // 256 % 256, (n + 1) % 256
        parts.append(SERVICE.format(n=n, a=a, b=b, c=c))
        for m in range(n * endpoints, (n + 1) * endpoints):
            parts.append(ENDPOINT.format(a=200 + m // 65536, b=m // 256 % 256, c=m % 256))
    text = "".join(parts)
    (folder / "services" / "all.yaml").write_text(text)
    return len(text)


def measure(step: str, folder: Path) -> tuple[float, float]:
    """Seconds and MB of a step in a new process."""
    command = [sys.executable, "-c", CLOCK.format(step=step), str(folder)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    seconds, megabytes = output.split()
    return float(seconds), float(megabytes)


def main() -> None:
    """Print the table."""
    services, endpoints = (int(text) for text in [*sys.argv[1:], "10000", "10"][:2])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        size = generate(folder, services, endpoints)
        print(
            f"{services:,} Services with {endpoints} endpoints each, {size / 1e6:.1f} MB of YAML\n"
        )
        print("| step | seconds | of PyYAML | peak MB |\n|---|---|---|---|")
        base = 0.0
        for title, step in STEPS.items():
            seconds, megabytes = measure(step, folder)
            base = base or seconds
            print(f"| {title} | {seconds:.2f} | {seconds / base:.2f} | {megabytes:.0f} |")


if __name__ == "__main__":
    main()
