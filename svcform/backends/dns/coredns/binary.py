"""The CoreDNS that svcform brings along: which one a node gets, and where it lies there."""

from __future__ import annotations

from svcform.backends.dns.coredns.objects import BINARIES, Binary
from svcform.model.facts import Facts
from svcform.model.settings import Settings

#: What ``uname -m`` says, by the names that Go and Kubernetes have for it.
_ARCHITECTURES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "arm",
    "armv6l": "arm",
    "i686": "386",
}


def architecture(facts: Facts) -> str:
    """``amd64``; a name that both have (``riscv64``, ``ppc64le``, ``s390x``) stays."""
    return _ARCHITECTURES.get(facts.architecture, facts.architecture)


def brought_binary(settings: Settings, facts: Facts) -> Binary | None:
    """What the node gets; None where it has its own, or none is there for it."""
    found = settings.coredns_downloads.get(architecture(facts))
    if found is None:
        return None
    # Its path says what it is: another one beside it takes over when the unit names it.
    return Binary(f"{BINARIES}/coredns-{found.sha256[:16]}", found.sha256, found.content)


def binary_problem(settings: Settings, facts: Facts) -> str:
    """Why the node can't get one; empty where it can."""
    found = settings.coredns_downloads
    if found and architecture(facts) not in found:
        return (
            f"its architecture is {architecture(facts)}, and coredns_binary has files for "
            f"{', '.join(sorted(found))} only"
        )
    return ""
