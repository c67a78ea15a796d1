"""The Corefile: what a template makes of the zones, and a block that says which Corefile it is."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from svcform.backends.dns.coredns.objects import COREFILE, zone_path
from svcform.data import read_text
from svcform.lang.corefile import Serving, ZoneBlock, write
from svcform.model.settings import Settings
from svcform.model.template import Template

_TEMPLATE = Template(read_text("templates", "dns/Corefile.j2"))
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
    Raises TemplateMistake for a template of the project's that makes no such text.
    """
    lines = [HEADER, f"# run: {' '.join(command)}"]
    if late:
        lines.append(f"# late: {' '.join(late)}")
    if settings.dns_ttl_wait:
        lines.append(_WAIT)
    zones = [ZoneBlock(origin.rstrip("."), zone_path(origin)) for origin in origins]
    serving = Serving(zones=zones, listen=listen, forward=settings.dns_forward)
    lines += write(settings.templates.get("dns/Corefile", _TEMPLATE), serving).splitlines()
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
    lines += ["version.bind:53 {", f"    bind {' '.join(listen)}", "    errors"]
    lines += [f"    chaos svcform-{digest} svcform", "}"]
    return "\n".join([*lines, ""])


def waits_out(text: str) -> bool:
    """Whether an apply waits until names that go are forgotten."""
    return f"\n{_WAIT}\n" in text


def command_line(binary: str) -> tuple[str, ...]:
    """What runs CoreDNS, by its path, or by its name wherever the node has it."""
    program = (binary,) if binary.startswith("/") else ("/usr/bin/env", binary)
    return (*program, "-conf", COREFILE)
