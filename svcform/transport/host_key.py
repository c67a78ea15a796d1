"""Whether a node is the machine that it says it is."""

from __future__ import annotations

from collections.abc import Sequence

from svcform.errors import HostKeyMismatch
from svcform.transport.known_hosts import HostKey, KnownKeys

#: In the order of preference; an RSA key signs with SHA-2 only.
ALGORITHMS = {
    "ssh-ed25519": ("ssh-ed25519",),
    "ecdsa-sha2-nistp256": ("ecdsa-sha2-nistp256",),
    "ecdsa-sha2-nistp384": ("ecdsa-sha2-nistp384",),
    "ecdsa-sha2-nistp521": ("ecdsa-sha2-nistp521",),
    "ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256"),
}


def algorithms(known: Sequence[HostKey]) -> tuple[str, ...]:
    """What to ask for: the types of which a key is known first, so that the node shows that one."""
    types = {key.type for key in known}
    order = sorted(ALGORITHMS, key=lambda name: name not in types)
    return tuple(algorithm for name in order for algorithm in ALGORITHMS[name])


def check(seen: HostKey, known: KnownKeys, node: str) -> None:
    """Raises ``HostKeyMismatch`` unless the key is known and not revoked."""
    if any(key.blob == seen.blob for key in known.revoked):
        raise HostKeyMismatch(
            f"The host key of {known.name}, {seen.fingerprint}, is marked @revoked in known_hosts.",
            remedy="Somebody declared this key stolen: find out who answers there.",
        )
    if any(key.blob == seen.blob for key in known.keys or known.portless):
        return
    if known.keys:
        expected = " or ".join(key.fingerprint for key in known.keys)
        raise HostKeyMismatch(
            f"The host key of {known.name} changed: it is {seen.fingerprint},"
            f" and {known.file} has {expected}.",
            remedy="If it was reinstalled, compare the fingerprint on its console"
            f" and {_again(node, known)}",
        )
    authority = (
        " known_hosts has a @cert-authority for it, which svcform can't use."
        if known.authorities
        else ""
    )
    raise HostKeyMismatch(
        f"The host key of {known.name} is not known: it is {seen.fingerprint}.{authority}",
        remedy="Compare the fingerprint with the node's own"
        " (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub)"
        f" and {_first_time(node, known.name)}",
    )


def _first_time(node: str, name: str) -> str:
    # a jump host is in no inventory
    return f"run: svcform trust {node}" if node else f"add {name} to a known_hosts file."


def _again(node: str, known: KnownKeys) -> str:
    if node:
        return f"run: svcform trust --replace {node}"
    return f"run: ssh-keygen -R {known.name!r} -f {known.file}"
