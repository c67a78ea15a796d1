"""The two servers: what runs, and with which limits."""

from __future__ import annotations

from svcform.backends.proxy.userspace.objects import Server, folder_of
from svcform.lang import haproxy, nginx
from svcform.model.facts import Facts
from svcform.program.unit import HEADER, Unit

#: Three quarters of the files are for connections: HAProxy takes two for each, nginx one for each
#: client.  The rest is for listeners.
_OPEN_FILES = 262_144
#: nginx makes room for all of them at its start, 0.9 KiB each.
_CLIENTS = 32_768
#: As long as conntrack remembers a datagram that nobody answered.
_IDLE_SECONDS = 30
#: As long as conntrack remembers a connection.
_IDLE_DAYS = 5
#: As long as kube-proxy waited on its second of four attempts.
_CONNECT_MILLISECONDS = 500
#: What loads the stream module: Debian's, Red Hat's and Alpine's file.
_MODULES = (
    "/etc/nginx/modules-enabled/*stream.conf",
    "/usr/share/nginx/modules/*stream.conf",
    "/etc/nginx/modules/*stream.conf",
)


def _open_files(facts: Facts) -> int:
    """How many files a server may open: not all containers let root have as many as it likes."""
    return min(facts.open_files or _OPEN_FILES, _OPEN_FILES)


def frame_of(server: Server, facts: Facts) -> str:
    """The server's main file."""
    connections = _open_files(facts) * 3 // 4
    if server is Server.HAPROXY:
        text = haproxy.write_frame(
            haproxy.Frame(
                socket_prefix=f"/run/{server.unit}",
                max_connections=connections // 2,
                connect_milliseconds=_CONNECT_MILLISECONDS,
                idle_days=_IDLE_DAYS,
            )
        )
    else:
        text = nginx.write_frame(
            nginx.Frame(
                modules=_MODULES,
                pid_file=f"/run/{server.unit}-master.pid",
                open_files=_open_files(facts),
                clients=min(_CLIENTS, connections),
                idle_seconds=_IDLE_SECONDS,
            )
        )
    return f"{HEADER}\n{text}"


def unit_of(server: Server, facts: Facts) -> Unit:
    """The server's unit: one instance, in the foreground, that reloads without a gap."""
    folder = folder_of(server)
    main = f"{folder}/{server.frame}"
    # In this order they are read.
    files = (main, f"{folder}/proof.cfg", f"{folder}/services")
    command = ("/usr/bin/env", "haproxy", "-W", *(word for file in files for word in ("-f", file)))
    if server is Server.NGINX:
        command = ("/usr/bin/env", "nginx", "-c", main, "-g", "daemon off;")
    return Unit(
        name=server.unit,
        description=f"{server.value} with svcform's Services",
        command=command,
        reload="USR2" if server is Server.HAPROXY else "HUP",
        daemon=True,
        after=("svcform.service", "network-online.target"),
        open_files=_open_files(facts),
    )
