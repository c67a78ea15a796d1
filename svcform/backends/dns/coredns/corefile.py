"""The Corefile: a block for each zone, one that says which Corefile it is, one for other names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from svcform.backends.dns.coredns.objects import COREFILE, zone_path
from svcform.model.settings import Settings

HEADER = "# svcform wrote this file, and writes it anew: changes made by hand are lost."
_WAIT = "# Names that go are waited out."


def write_corefile(
    origins: Sequence[str],
    listen: Sequence[str],
    late: Sequence[str],
    settings: Settings,
    command: Sequence[str],
) -> str:
    """The text; ``command`` is what runs it, for the scripts that tell why it doesn't.

    At the ``late`` ones of the addresses it can only be asked when the proxy is done.

    The text's digest is what CoreDNS answers for ``version.bind``: so a reload can be proven.
    """
    lines = [HEADER, f"# run: {' '.join(command)}"]
    if late:
        lines.append(f"# late: {' '.join(late)}")
    if settings.dns_ttl_wait:
        lines.append(_WAIT)
    for origin in origins:
        lines += _zone(origin, listen)
    if settings.dns_forward:
        lines += _forward(settings.dns_forward, listen)
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
    lines += _block("version.bind:53", listen, [f"chaos svcform-{digest} svcform"])
    return "\n".join([*lines, ""])


def waits_out(text: str) -> bool:
    """Whether an apply waits until names that go are forgotten."""
    return f"\n{_WAIT}\n" in text


def command_line(binary: str) -> tuple[str, ...]:
    """What runs CoreDNS, by its path, or by its name wherever the node has it."""
    program = (binary,) if binary.startswith("/") else ("/usr/bin/env", binary)
    return (*program, "-conf", COREFILE)


def _zone(origin: str, listen: Sequence[str]) -> Iterator[str]:
    # The file is only read up to its SOA unless that has another serial (1.15, plugin/file).
    inside = [f"file {zone_path(origin)} {{", "    reload 1s", "}", "loadbalance"]
    return _block(f"{origin.rstrip('.')}:53", listen, inside)


def _forward(servers: Sequence[str], listen: Sequence[str]) -> Iterator[str]:
    inside = [
        f"forward . {' '.join(servers)}",
        "cache {",
        "    success 9984 30",
        "    denial 9984 5",
        "}",
        "loop",
    ]
    return _block(".:53", listen, inside)


def _block(zone: str, listen: Sequence[str], inside: Sequence[str]) -> Iterator[str]:
    yield f"{zone} {{"
    yield f"    bind {' '.join(listen)}"
    yield "    errors"
    yield from (f"    {line}" for line in inside)
    yield "}"
