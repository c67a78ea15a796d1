"""``svcform trust``: see a node's host keys, and pin them beside the inventory."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from svcform.errors import HostKeyMismatch, UsageError
from svcform.model.node import Connection
from svcform.transport import known_hosts
from svcform.transport.known_hosts import HostKey
from svcform.transport.options import SshOptions
from svcform.transport.target import resolve


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What a node shows, and what is known of it.

    ``name`` is how the host stands in ``known_hosts``.  ``pinned`` are the keys of the file beside
    the inventory; ``elsewhere`` those of the user's or the system's file.
    """

    node: str
    name: str
    seen: tuple[HostKey, ...]
    pinned: tuple[HostKey, ...] = ()
    elsewhere: tuple[HostKey, ...] = ()
    revoked: tuple[HostKey, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether a key is pinned that the node no longer shows."""
        return bool(set(self.pinned) - set(self.seen))

    @property
    def trusted(self) -> bool:
        """Whether every key that the node shows is pinned, and no other."""
        return set(self.pinned) == set(self.seen)


def scan(connection: Connection, options: SshOptions) -> Scan:
    """Ask a node for its host keys, without logging in; jump hosts are logged in to, and checked.

    Raises ``Unreachable``, and ``HostKeyMismatch`` or ``AuthenticationFailed`` of a jump host.
    """
    from svcform.transport.ssh.scan import scan_keys  # noqa: PLC0415 - paramiko takes 120 ms

    target = resolve(connection, options)
    host, port = target.key_host
    pins = () if options.pinned_known_hosts is None else (options.pinned_known_hosts,)
    others = target.known_hosts[len(pins) :]
    known = known_hosts.look_up(host, port, target.known_hosts)
    return Scan(
        node=options.node or connection.host,
        name=known.name,
        seen=scan_keys(target),
        pinned=known_hosts.look_up(host, port, pins).keys,
        elsewhere=known_hosts.look_up(host, port, others).keys,
        revoked=known.revoked,
    )


def pin(file: Path, scans: Sequence[Scan], *, replace: bool, ci: bool) -> bytes:
    """Write the keys of some scans into the file; the text that is in it then.

    Lines that speak of other hosts, markers and comments are kept.  Pins are sorted by host; the
    same pins give the same bytes.  Raises ``UsageError`` where ``ci`` is set, and
    ``HostKeyMismatch`` for a revoked key, or for a changed one without ``replace``: then nothing
    is written.
    """
    if ci:
        raise UsageError(
            "Nothing is ever trusted where CI is set: a pipeline can't look at a node's console."
            " Run svcform trust by hand and commit known_hosts."
        )
    for found in scans:
        _refuse(found, replace=replace)
    old = file.read_bytes() if file.exists() else b""
    new = _merge(old.decode("utf-8", "surrogateescape"), scans).encode("utf-8", "surrogateescape")
    if new != old:
        _write(file, new)
    return new


def _refuse(found: Scan, *, replace: bool) -> None:
    revoked = [key for key in found.seen if key.blob in {r.blob for r in found.revoked}]
    if revoked:
        raise HostKeyMismatch(
            f"{found.node} shows {revoked[0].fingerprint}, which known_hosts marks @revoked.",
            remedy="Somebody declared this key stolen: find out who answers there.",
        )
    if found.changed and not replace:
        raise HostKeyMismatch(
            f"{found.node} is pinned with {_fingerprints(found.pinned)}"
            f" and shows {_fingerprints(found.seen)}.",
            remedy="If the node was reinstalled, compare the fingerprint on its console"
            f" and run: svcform trust --replace {found.node}",
        )


def _fingerprints(keys: Sequence[HostKey]) -> str:
    return " or ".join(key.fingerprint for key in keys)


def _merge(text: str, scans: Sequence[Scan]) -> str:
    names = {found.name for found in scans}
    kept: list[str] = []
    pins = {(found.name, key.text) for found in scans for key in found.seen}
    for line in text.splitlines():
        entry = known_hosts.parse_line(line)
        if entry is None or entry.marker:
            kept.append(line)
        elif len(entry.patterns) == 1 and not _is_pattern(entry.patterns[0]):
            if entry.patterns[0] not in names:
                pins.add((entry.patterns[0], entry.key.text))
        elif not any(entry.matches(name) for name in names):
            kept.append(line)
        else:
            kept += _without(entry, names)
    return "".join(f"{line}\n" for line in (*kept, *(f"{n} {key}" for n, key in sorted(pins))))


def _is_pattern(text: str) -> bool:
    return text.startswith(("|", "!")) or "*" in text or "?" in text


def _without(entry: known_hosts.Entry, names: set[str]) -> list[str]:
    """A line of several hosts, hashes or wildcards, less those that get pins of their own."""
    patterns = [
        pattern
        for pattern in entry.patterns
        if not any(known_hosts.Entry("", (pattern,), entry.key).matches(name) for name in names)
    ]
    if not any(not pattern.startswith("!") for pattern in patterns):
        return []
    return [f"{','.join(patterns)} {entry.key.text}"]


def _write(file: Path, content: bytes) -> None:
    """All or nothing: a half-written file would take host keys away."""
    file = file.resolve()
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        mode = file.stat().st_mode & 0o777 if file.exists() else 0o644
        Path(name).chmod(mode)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
