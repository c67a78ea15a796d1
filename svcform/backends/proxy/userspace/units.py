"""The servers: what runs, and with which limits."""

from __future__ import annotations

from collections.abc import Collection

from svcform.backends.proxy.userspace.objects import File, ProxyObject, Running, Server, folder_of
from svcform.lang import haproxy, nginx
from svcform.model.facts import Facts
from svcform.plan.snapshot import NodeObject, ObjectAddress
from svcform.program.unit import HEADER, Unit, unit_files

_Servers = Collection[Server]
#: Three quarters of the files are for connections: HAProxy takes two for each, nginx one for each
#: client.  The rest is for listeners; where they need more, connections get less.
_OPEN_FILES = 262_144
#: Pipes, sockets of its own, what its threads wait on.
_OTHERS = 128
_FEWEST = 64
#: nginx makes room for all of them at its start, 0.9 KiB each.
_CLIENTS = 32_768
#: As long as conntrack remembers a datagram that nobody answered.
_IDLE_SECONDS = 30
#: As long as conntrack remembers a connection.
_IDLE_DAYS = 5
#: Load balancers that ask at a time, and how long one may say nothing.
_ASKING = 4096
_ASKING_SECONDS = 10
#: As long as kube-proxy waited on its second of four attempts.
_CONNECT_MILLISECONDS = 500
#: What loads the stream module: Debian's, Red Hat's and Alpine's file.
_MODULES = (
    "/etc/nginx/modules-enabled/*stream.conf",
    "/usr/share/nginx/modules/*stream.conf",
    "/etc/nginx/modules/*stream.conf",
)


def instance(
    server: Server, facts: Facts, listeners: int, watched: Collection[Server] = ()
) -> dict[ObjectAddress, NodeObject]:
    """All that a server has besides what Services want of it: it runs, its main file, its unit.

    ``watched`` are those of whose death the answers to health checks tell.
    """
    own: list[ProxyObject] = [Running(server)]
    main = f"{folder_of(server)}/{server.frame}"
    own.append(File(main, frame_of(server, facts, listeners, watched), backend=server.backend))
    own += [
        File(f.path, f.text, f.mode, server.backend)
        for f in unit_files(unit_of(server, facts), facts.init)
    ]
    return {found.address: found for found in own}


def _open_files(facts: Facts) -> int:
    """How many files a server may open: not all containers let root have as many as it likes."""
    return min(facts.open_files or _OPEN_FILES, _OPEN_FILES)


def frame_of(server: Server, facts: Facts, listeners: int, watched: Collection[Server] = ()) -> str:
    """The server's main file."""
    open_files = _open_files(facts)
    for_connections = open_files * 3 // 4
    # By halves: a Service that comes changes what is for connections as rarely as can be.
    while for_connections > _FEWEST and for_connections + listeners + _OTHERS > open_files:
        for_connections //= 2
    frame = _FRAMES[server](server, open_files, for_connections, watched)
    return f"{HEADER}\n{frame}"


def _haproxy(server: Server, open_files: int, for_connections: int, watched: _Servers) -> str:
    del open_files, watched
    return haproxy.write_frame(
        haproxy.Frame(
            socket_prefix=f"/run/{server.unit}",
            max_connections=for_connections // 2,
            connect_milliseconds=_CONNECT_MILLISECONDS,
            idle_days=_IDLE_DAYS,
        )
    )


def _nginx(server: Server, open_files: int, for_connections: int, watched: _Servers) -> str:
    del watched
    return nginx.write_frame(
        nginx.Frame(
            modules=_MODULES,
            pid_file=f"/run/{server.unit}-master.pid",
            open_files=open_files,
            clients=min(_CLIENTS, for_connections),
            idle_seconds=_IDLE_SECONDS,
        )
    )


def _health(server: Server, open_files: int, for_connections: int, watched: _Servers) -> str:
    del open_files
    tcp, udp = (x.proof_port if x in watched else 0 for x in (Server.HAPROXY, Server.NGINX))
    return haproxy.write_check_frame(
        haproxy.CheckFrame(
            socket_prefix=f"/run/{server.unit}",
            max_connections=min(_ASKING, for_connections // 2),
            client_seconds=_ASKING_SECONDS,
            tcp_port=tcp,
            udp_port=udp,
        )
    )


_FRAMES = {Server.HAPROXY: _haproxy, Server.NGINX: _nginx, Server.HEALTH: _health}


def unit_of(server: Server, facts: Facts) -> Unit:
    """The server's unit: one instance, in the foreground, that reloads without a gap."""
    folder = folder_of(server)
    main = f"{folder}/{server.frame}"
    # In this order they are read.
    files = (main, f"{folder}/all.cfg", f"{folder}/proof.cfg")
    command = (
        "/usr/bin/env",
        server.program,
        "-W",
        *(word for file in files for word in ("-f", file)),
    )
    if server is Server.NGINX:
        command = ("/usr/bin/env", "nginx", "-c", main, "-g", "daemon off;")
    return Unit(
        name=server.unit,
        description=_DESCRIPTIONS[server],
        command=command,
        reload="HUP" if server is Server.NGINX else "USR2",
        daemon=True,
        after=("svcform.service", "network-online.target"),
        open_files=_open_files(facts),
    )


_DESCRIPTIONS = {
    Server.HAPROXY: "haproxy with svcform's Services",
    Server.NGINX: "nginx with svcform's Services",
    Server.HEALTH: "haproxy that answers health checks of svcform's Services",
}
