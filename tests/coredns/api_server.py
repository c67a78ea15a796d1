"""A small stand-in of Kubernetes' API server: LIST and WATCH of objects that stay as they are.

It has as many clusters as one likes, each below a path of its own, and speaks JSON.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Objects = Sequence[Mapping[str, Any]]
_KINDS = {
    "/api/v1/services": ("v1", "Service"),
    "/api/v1/namespaces": ("v1", "Namespace"),
    "/api/v1/pods": ("v1", "Pod"),
    "/apis/discovery.k8s.io/v1/endpointslices": ("discovery.k8s.io/v1", "EndpointSlice"),
}
#: What ends the objects that a watch begins with (KEP-3157).
_INITIAL_EVENTS_END = {"k8s.io/initial-events-end": "true"}
_VERSION = "7"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, clusters: Mapping[str, Objects]) -> None:
        self.clusters = clusters
        self.over = threading.Event()
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        cluster, _, path = url.path.removeprefix("/").partition("/")
        objects, kind = self.server.clusters.get(cluster), _KINDS.get(f"/{path}")
        if objects is None or kind is None:
            self._send(
                404, {"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": 404}
            )
            return
        found = [each for each in objects if (each["apiVersion"], each["kind"]) == kind]
        asked = parse_qs(url.query)
        if asked.get("watch", [""])[0] in {"1", "true"}:
            self._watch(kind, found if "sendInitialEvents" in asked else [])
        else:
            metadata = {"resourceVersion": _VERSION}
            names = {"apiVersion": kind[0], "kind": f"{kind[1]}List"}
            self._send(200, {**names, "metadata": metadata, "items": found})

    def _send(self, code: int, value: Mapping[str, Any]) -> None:
        body = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _watch(self, kind: tuple[str, str], found: Objects) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        end = {"resourceVersion": _VERSION, "annotations": _INITIAL_EVENTS_END}
        events = [{"type": "ADDED", "object": each} for each in found]
        last = {"apiVersion": kind[0], "kind": kind[1], "metadata": end}
        for event in (*events, {"type": "BOOKMARK", "object": last}):
            line = json.dumps(event).encode() + b"\n"
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
        self.wfile.flush()
        self.server.over.wait()
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Say nothing."""


@contextmanager
def api_server(clusters: Mapping[str, Objects]) -> Iterator[str]:
    """Its URL on a loopback address; a cluster's own has ``/NAME`` behind it."""
    server = _Server(clusters)
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.over.set()
        server.shutdown()
        serving.join()
        server.server_close()
