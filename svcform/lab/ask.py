"""Ask a frontend, from wherever this process is; run as ``python -m svcform.lab.ask``.

Each request is a new connection (or a datagram from a new port), and prints one line: what the
endpoint answered, or ``error=`` and why nobody did.
"""

from __future__ import annotations

import socket
import sys

_TIMEOUT = 3.0


def ask(address: str, port: int, protocol: str) -> str:
    """One request; the answer's line (see ``svcform.lab.answer``) or ``error=…``."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    kind = socket.SOCK_STREAM if protocol == "TCP" else socket.SOCK_DGRAM
    with socket.socket(family, kind) as asker:
        asker.settimeout(_TIMEOUT)
        try:
            asker.connect((address, port))
            asker.sendall(b"who?\n")
            return asker.recv(4096).decode("utf-8", "replace").strip()
        except TimeoutError:
            return "error=timeout"
        except ConnectionRefusedError:
            return "error=refused"
        except OSError as error:
            return f"error={error.strerror}"


if __name__ == "__main__":
    host, number, transport, count = sys.argv[1:]
    for _ in range(int(count)):
        sys.stdout.write(ask(host, int(number), transport) + "\n")
