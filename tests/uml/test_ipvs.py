"""A node in IPVS mode, from its first apply over SSH to its last: who answers whom, and when."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.uml.node import ADDRESS, ENDPOINTS, NAME, UmlNode, new_node
from tests.uml.town import ON_NODE, Town, new_town, say

pytestmark = pytest.mark.root
VIP, STICKY_VIP, NODE_PORT = "10.96.0.80", "10.96.0.81", 30080
FIRST, SECOND, THIRD = ENDPOINTS
#: Seconds to wait for connections: a run's steps have 300 without those.
LONGER_THAN_A_RUN = 600
#: Seconds that a client is remembered.
REMEMBERED = 10
_SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: %(name)s}
spec:
  %(more)s
  clusterIP: %(vip)s
  ports: [{name: http, port: 80, protocol: %(protocol)s%(port)s}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: %(name)s-1, labels: {kubernetes.io/service-name: %(name)s}}
addressType: IPv4
ports: [{name: http, port: 8080, protocol: %(protocol)s}]
endpoints: [%(endpoints)s]
---
"""
_AFFINITY = (
    "sessionAffinity: ClientIP\n"
    f"  sessionAffinityConfig: {{clientIP: {{timeoutSeconds: {REMEMBERED}}}}}"
)
#: All that is of IPVS, sets, routing and iptables on the node.
_LEFT = """\
ipvsadm -S -n
ipset list -n
ip rule | grep -v -e main -e default -e local
iptables-save | grep -i svcform
ip6tables-save | grep -i svcform
exit 0
"""


def place(node: UmlNode, endpoints: Sequence[str], drain_wait: int) -> None:
    """Write the node's project: the plain Service has these endpoints, the sticky one the first."""
    variables = {
        "ansible_host": ADDRESS,
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(node.home / "id_ed25519"),
        "pod_cidrs": ["10.244.1.0/24"],
        "node_ip": ADDRESS,
        "drain_wait": drain_wait,
    }
    node.project.write({"all": {"hosts": {NAME: variables}}}, [], proxy_mode="ipvs")
    site = node.project.path / "playbooks/site.yml"
    site.write_text(site.read_text().replace("  workloads:\n    default/web: []\n", ""))
    services = {
        "plain": (VIP, "type: NodePort", f", nodePort: {NODE_PORT}", endpoints),
        "sticky": (STICKY_VIP, _AFFINITY, "", ENDPOINTS[:2]),
    }
    text = "".join(
        _SERVICE
        % {
            "name": name,
            "vip": vip,
            "more": more,
            "port": port,
            "protocol": "UDP" if name == "sticky" else "TCP",
            "endpoints": ", ".join(f"{{addresses: [{x}], nodeName: {NAME}}}" for x in behind),
        }
        for name, (vip, more, port, behind) in services.items()
    )
    (node.project.path / "services/web.yml").write_text(text)


def apply(node: UmlNode, endpoints: Sequence[str], drain_wait: int = 0) -> str:
    place(node, endpoints, drain_wait)
    said = node.svcform("apply", "--auto-approve", "--allow-deletions")
    assert said.code == 0, said.out
    return said.out


@dataclass(frozen=True, slots=True)
class Applied:
    """A node in IPVS mode, and everybody around it."""

    node: UmlNode
    town: Town

    def from_node(self, times: int) -> set[str]:
        """Who answers the node itself."""
        one = f"echo 'who?' | busybox nc -w 5 {VIP} 80 | head -n 1\n"
        return set(self.node.ssh(one * times).split())

    def servers(self, endpoint: str) -> list[tuple[int, int]]:
        """The weight and the connections of each real server at an endpoint."""
        listed = [line.split() for line in self.node.ssh("ipvsadm -L -n").splitlines()]
        found = [x for x in listed if x[:2] == ["->", f"{endpoint}:8080"]]
        return [(int(x[3]), int(x[4]) + int(x[5])) for x in found]


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Applied]:
    folder: Path = tmp_path_factory.mktemp("ipvs")
    with new_node(folder) as node, new_town(node) as town:
        node.boot()
        node.ssh(ON_NODE)
        apply(node, (FIRST, SECOND))
        # UDP is remembered for a second, not for five minutes, and a client no longer than that.
        node.ssh("ipvsadm --set 900 120 1")
        yield Applied(node, town)


def _hang_up(applied: Applied, held: socket.socket) -> None:
    """Close a connection when an apply that waits for that has made its changes."""
    await_(lambda: bool(applied.servers(THIRD)))
    held.close()


def await_(what: Callable[[], bool], seconds: float = 180) -> None:
    limit = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < limit, "It does not come."
        time.sleep(0.2)


def test_everybody_reaches_all_endpoints_from_outside_the_node_and_a_pod(applied: Applied):
    town, both = applied.town, {FIRST, SECOND}

    assert set(town.ask(town.client, VIP, 80, 6)) == both
    assert set(town.ask(town.client, ADDRESS, NODE_PORT, 6)) == both
    assert set(town.ask(town.pods[2], VIP, 80, 6)) == both
    assert set(town.ask(town.pods[0], VIP, 80, 6)) == both, "one of them is itself"
    assert applied.from_node(4) == both


def test_a_client_is_remembered_for_the_seconds_that_were_asked_for(applied: Applied):
    town = applied.town
    first = town.ask_by_datagram(town.client, STICKY_VIP, 80, 8)
    assert len(first) == 1

    time.sleep(REMEMBERED + 3)  # a client is forgotten when none of its connections is remembered
    second = town.ask_by_datagram(town.client, STICKY_VIP, 80, 8)

    assert len(second) == 1
    assert set(first) | set(second) == {FIRST, SECOND}, "round robin goes on to the next"


def test_an_endpoint_that_leaves_keeps_its_connections_and_gets_no_new_ones(applied: Applied):
    """Then the next apply waits for them, and removes it; and the last one everything."""
    node, town = applied.node, applied.town
    held = next(
        opened
        for opened in (town.connect(town.client, VIP, 80) for _ in range(2))
        if say(opened) == FIRST
    )
    apply(node, (SECOND,))

    assert say(held) == FIRST
    assert set(town.ask(town.client, VIP, 80, 6)) == {SECOND}
    assert any(weight == 0 and count > 0 for weight, count in applied.servers(FIRST))
    assert node.svcform("plan", "--detailed-exitcode").code == 0

    goodbye = threading.Thread(target=_hang_up, args=(applied, held))
    goodbye.start()
    began = time.monotonic()
    out = apply(node, (SECOND, THIRD), LONGER_THAN_A_RUN)
    goodbye.join()

    assert time.monotonic() - began < LONGER_THAN_A_RUN
    assert "SVC465" in out
    assert [weight for weight, _ in applied.servers(FIRST)] == [1], "the sticky Service's"
    assert set(town.ask(town.client, VIP, 80, 6)) == {SECOND, THIRD}

    said = node.svcform("destroy", "--auto-approve", "--allow-deletions")

    assert said.code == 0, said.out
    assert node.ssh(_LEFT) == ""
