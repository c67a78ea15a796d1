"""Which host keys a node has, seen from outside."""

from __future__ import annotations

from collections.abc import Sequence

from svcform.transport.host_key import ALGORITHMS
from svcform.transport.known_hosts import HostKey
from svcform.transport.ssh.connect import Link, NoSuchHostKey, jump_through, shake_hands
from svcform.transport.target import Target


def scan_keys(target: Target) -> tuple[HostKey, ...]:
    """The target's host keys, one a type, by a key exchange each: an sshd shows one at a time.

    Raises what connecting raises.
    """
    with jump_through(target) as through:
        first = _key(shake_hands(target, through, _all()))
        others = (kind for kind in ALGORITHMS if kind != first.type)
        keys = [first, *(key for kind in others if (key := _other(target, through, kind)))]
    order = list(ALGORITHMS)
    return tuple(sorted(keys, key=lambda key: order.index(key.type)))


def _all() -> tuple[str, ...]:
    return tuple(algorithm for kind in ALGORITHMS for algorithm in ALGORITHMS[kind])


def _other(target: Target, through: Sequence[Link], kind: str) -> HostKey | None:
    try:
        return _key(shake_hands(target, through, ALGORITHMS[kind]))
    except NoSuchHostKey:
        return None


def _key(link: Link) -> HostKey:
    link.close()
    return link.key
