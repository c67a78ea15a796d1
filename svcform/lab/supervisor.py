"""The one process that a lab hangs on: when it ends, the kernel takes all of the lab with it.

Run as ``python -m svcform.lab.supervisor FOLDER``; the specification is on standard input.
It writes one line to standard output when the lab is up (empty), or why it can't be.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from svcform.errors import LabError
from svcform.lab import addresses, answer, kernel, machine, network, relay, sshd, systemd
from svcform.lab.control import serve_control
from svcform.lab.inventory import write_inventory
from svcform.lab.kernel import Mount, Namespace
from svcform.lab.spec import (
    CLIENT_KEY,
    INVENTORY,
    STATE,
    LabSpec,
    NodeSpec,
    from_json,
    with_addresses,
)

#: What a Debian without systemd does at boot, as far as it is svcform's (/etc is the host's copy).
_BOOT_SCRIPTS = """\
for script in /etc/rcS.d/S*svcform* /etc/rc2.d/S*svcform*; do
	[ ! -x "$script" ] || "$script" start </dev/null >>/var/log/boot.log 2>&1
done
exit 0
"""


@dataclass(slots=True)
class _Running:
    """What the supervisor has built so far."""

    spec: LabSpec
    networks: dict[str, int] = field(default_factory=dict)
    inits: dict[str, int] = field(default_factory=dict)
    host_keys: dict[str, str] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)


def _build(spec: LabSpec, *, user_namespace: bool) -> _Running:
    running = _Running(spec)
    disks = spec.directory / "machines"
    disks.mkdir()
    if user_namespace:
        kernel.become_root_of_user_namespace()
        # Nobody but real root can come back to the host's network, and nothing here needs it.
        kernel.unshare(Namespace.NET)
    kernel.unshare(Namespace.MOUNT)
    kernel.mount("", Path("/"), "", Mount.RECURSIVE | Mount.PRIVATE)
    kernel.mount("svcf-lab", disks, "tmpfs", data="mode=755")
    for name in ("fabric", "controller", "client", *(e.name for e in spec.endpoints)):
        running.networks[name] = kernel.new_network()
    network.make_fabric(running.networks["fabric"])
    client_key = _client_key(spec)
    for number, node in enumerate(spec.nodes, start=1):
        _make_node(running, number, node, client_key)
    _wire(running)
    for node in spec.nodes:
        _harden(running, node)
    return running


def _client_key(spec: LabSpec) -> str:
    if not any(node.ssh for node in spec.nodes):
        return ""
    sshd.find_sshd()
    return sshd.make_key(spec.directory / CLIENT_KEY, "svcform lab")


def _make_node(running: _Running, number: int, node: NodeSpec, client_key: str) -> None:
    disk = running.spec.directory / "machines" / node.name
    running.networks[node.name] = kernel.new_network()
    machine.make_disk(disk, node.name)
    if node.ssh:
        running.host_keys[node.name] = sshd.prepare(disk, node, client_key)
    if node.init == "systemd":
        systemd.prepare(disk, Path(node.packages) if node.packages else None)
    _boot(running, number, node)


def _boot(running: _Running, number: int, node: NodeSpec) -> None:
    """Start a node's machine and plug it in; its network namespace is a new one."""
    own = running.networks[node.name]
    if node.init != "systemd":
        running.inits[node.name] = machine.boot(_machine(running, node))
    network.plug(
        running.networks["fabric"],
        own,
        network.node_port(number),
        addresses.node_addresses(number),
        route=node.default_route,
    )
    network.set_sysctls(own, (*network.NOT_FORWARDING, *node.sysctls))


def _machine(running: _Running, node: NodeSpec) -> machine.Machine:
    directory = running.spec.directory
    is_systemd = node.init == "systemd"
    return machine.Machine(
        disk=directory / "machines" / node.name,
        name=node.name,
        network=running.networks[node.name],
        hide=tuple(_programs(node.missing_tools)),
        packages=Path(node.packages) if node.packages else None,
        cgroup=systemd.cgroup_name(directory, node.name) if is_systemd else "",
    )


def _programs(names: tuple[str, ...]) -> list[Path]:
    folders = [Path(folder) for folder in ("/usr/sbin", "/usr/bin", "/sbin", "/bin")]
    found = [folder / name for name in names for folder in folders if (folder / name).exists()]
    return list(dict.fromkeys(path.parent.resolve() / path.name for path in found))


def _wire(running: _Running) -> None:
    fabric = running.networks["fabric"]
    plug = network.plug
    plug(fabric, running.networks["controller"], "control", addresses.CONTROLLER, route=True)
    network.plug_client(fabric, running.networks["client"])
    nodes = {node.name: running.networks[node.name] for node in running.spec.nodes}
    network.route_pods(fabric, nodes, running.spec.nodes)
    for node in running.spec.nodes:
        _plug_endpoints(running, node)


def _plug_endpoints(running: _Running, node: NodeSpec) -> None:
    for number, endpoint in enumerate(with_addresses(running.spec), start=1):
        if endpoint.node == node.name:
            own = running.networks[endpoint.name]
            network.plug_endpoint(running.networks[node.name], own, number, endpoint)


def _reboot(running: _Running, name: str) -> None:
    """Cut a node's power, and let it come up again on the same disk and the same wires.

    Nothing is left of its processes, of /run and /tmp, and of what the kernel knew.
    """
    node = running.spec.nodes[running.spec.number(name) - 1]
    machine.cut_power(running.inits[name])
    ends = [(running.networks["fabric"], network.node_port(running.spec.number(name)))]
    ends += [(running.networks[e.name], "eth0") for e in running.spec.endpoints if e.node == name]
    for place, link in ends:
        network.ip(place, [f"link delete {link}"])
    # The same number of the descriptor: the lab's state, which others have read, names it.
    fresh = kernel.new_network()
    os.dup2(fresh, running.networks[name], inheritable=False)
    os.close(fresh)
    _boot(running, running.spec.number(name), node)
    network.route_pods_of(running.networks[name], name, running.spec.nodes)
    _plug_endpoints(running, node)
    _harden(running, node)


def _harden(running: _Running, node: NodeSpec) -> None:
    """Bring a node into the state that its specification asks for, and start its sshd."""
    if node.init == "systemd":
        # Only now, for units start when the network is there.
        running.inits[node.name] = machine.boot(_machine(running, node))
        systemd.await_boot(_enter(running, node), node.name)
    if node.forward_policy != "ACCEPT":
        for tool in ("iptables", "ip6tables"):
            _on_node(running, node, [tool, "-w", "-P", "FORWARD", node.forward_policy])
    if node.foreign_drop:
        hook = "type filter hook forward priority 10; policy drop;"
        rules = f"add table inet fortress\nadd chain inet fortress forward {{ {hook} }}\n"
        _on_node(running, node, ["nft", "-f", "-"], rules)
    if node.init == "systemd":
        return
    _on_node(running, node, ["sh", "-c", _BOOT_SCRIPTS])
    if node.ssh:
        _on_node(running, node, [sshd.find_sshd(), "-E", "/var/log/sshd.log"])


def _enter(running: _Running, node: NodeSpec) -> list[str]:
    init = str(running.inits[node.name])
    return ["nsenter", "--all", "--root", "--wd", "--target", init]


def _on_node(running: _Running, node: NodeSpec, command: list[str], given: str = "") -> None:
    done = subprocess.run(
        [*_enter(running, node), *command], input=given, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise LabError(f"{command[0]} fails on the lab's {node.name}: {done.stderr.strip()}.")


async def _serve(running: _Running) -> None:
    for endpoint in with_addresses(running.spec):
        await answer.serve(endpoint, running.networks[endpoint.name])
    for number, node in enumerate(running.spec.nodes, start=1):
        if not node.ssh:
            continue
        target = (addresses.node_addresses(number)[0], 22)
        port = socket.create_server(("127.0.0.1", 0), backlog=512)
        running.ports[node.name] = port.getsockname()[1]
        await relay.relay(port, running.networks["controller"], target)


def _state(running: _Running, *, user_namespace: bool) -> Mapping[str, Any]:
    nodes = {
        node.name: {
            "pid": running.inits[node.name],
            "port": running.ports.get(node.name, 0),
            "host_key": running.host_keys.get(node.name, ""),
            "addresses": addresses.node_addresses(number),
            "pod_cidrs": addresses.pod_cidrs(number),
        }
        for number, node in enumerate(running.spec.nodes, start=1)
    }
    return {
        "pid": os.getpid(),
        "user_namespace": user_namespace,
        "networks": running.networks,
        "nodes": nodes,
        "endpoints": {
            endpoint.name: {"node": endpoint.node, "addresses": endpoint.addresses}
            for endpoint in with_addresses(running.spec)
        },
    }


def _write_state(running: _Running, *, user_namespace: bool) -> None:
    """The lab's state, and its inventory: both name processes, and a reboot makes new ones."""
    directory = running.spec.directory
    state = _state(running, user_namespace=user_namespace)
    inventory = write_inventory(running.spec, state, directory / CLIENT_KEY)
    for name, text in ((INVENTORY, inventory), (STATE, json.dumps(state, indent=1))):
        new = directory / f"{name}.new"
        new.write_text(text)
        new.replace(directory / name)


async def _live(running: _Running, *, user_namespace: bool) -> None:
    await _serve(running)
    _write_state(running, user_namespace=user_namespace)

    def reboot(name: str) -> None:
        _reboot(running, name)
        _write_state(running, user_namespace=user_namespace)

    control = await serve_control(running.spec.directory, {"reboot": reboot})
    _report("")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    async with control:
        await stop.wait()


def _report(problem: str) -> None:
    sys.stdout.write(problem + "\n")
    sys.stdout.flush()


def main() -> int:
    """Build the lab and live until told to stop."""
    os.umask(0o022)
    # An ordinary user's PATH lacks the folders of ip, iptables and sshd on some distributions.
    os.environ["PATH"] = (
        f"{os.environ.get('PATH', '/usr/bin:/bin')}:/usr/local/sbin:/usr/sbin:/sbin"
    )
    spec = from_json(json.load(sys.stdin))
    user_namespace = os.geteuid() != 0
    if user_namespace and any(node.ssh for node in spec.nodes):
        _report("Nodes with SSH need root; without it there is lab up --embedded.")
        return 1
    if shutil.which("ip") is None:
        _report("The lab needs the program ip: install iproute2.")
        return 1
    try:
        running = _build(spec, user_namespace=user_namespace)
        asyncio.run(_live(running, user_namespace=user_namespace))
    except (OSError, LabError, subprocess.SubprocessError) as error:
        _report(str(error))
        return 1
    return 0


if __name__ == "__main__":
    # Not through sys.exit: whatever asyncio still holds ends with the process, at once.
    os._exit(main())
