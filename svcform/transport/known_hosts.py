"""OpenSSH's ``known_hosts`` (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"), read tolerantly.

A line that can't be understood is skipped, as ssh does: one strange line must not take away every
host key there is.
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

SSH_PORT = 22


@dataclass(frozen=True, slots=True)
class HostKey:
    """A public key: its type (``ssh-ed25519``) and its blob in SSH's wire format."""

    type: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """``ssh-ed25519 SHA256:…``, as ``ssh-keygen -l`` prints it."""
        digest = base64.b64encode(hashlib.sha256(self.blob).digest()).rstrip(b"=")
        return f"{self.type} SHA256:{digest.decode('ascii')}"

    @property
    def text(self) -> str:
        """Type and key as they stand in a file."""
        return f"{self.type} {base64.b64encode(self.blob).decode('ascii')}"


@dataclass(frozen=True, slots=True)
class Entry:
    """A line: ``marker`` is empty, ``@revoked`` or ``@cert-authority``."""

    marker: str
    patterns: tuple[str, ...]
    key: HostKey

    def matches(self, name: str) -> bool:
        """Whether the line speaks of this host (``host`` or ``[host]:port``)."""
        found = False
        for pattern in self.patterns:
            if pattern.startswith("!"):
                if _matches(pattern[1:], name):
                    return False
            elif _matches(pattern, name):
                found = True
        return found


def _matches(pattern: str, name: str) -> bool:
    if pattern.startswith("|1|"):
        return _matches_hash(pattern, name)
    # fnmatch knows [sets], OpenSSH doesn't: there, brackets stand round an address with a port
    escaped = pattern.lower().replace("[", "[[]")
    return fnmatch.fnmatchcase(name.lower(), escaped)


def _matches_hash(pattern: str, name: str) -> bool:
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in pattern[3:].split("|"))
    except (ValueError, binascii.Error):
        return False
    return hmac.compare_digest(digest, hmac.new(salt, name.lower().encode(), "sha1").digest())


def parse(text: str) -> tuple[Entry, ...]:
    """The lines of a file that say something."""
    return tuple(e for line in text.splitlines() if (e := parse_line(line)) is not None)


def parse_line(line: str) -> Entry | None:
    """One line, or None for a comment and for what is no host key."""
    words = line.split()
    if not words or words[0].startswith("#"):
        return None
    marker = words.pop(0) if words[0].startswith("@") else ""
    if len(words) < 3:
        return None
    try:
        blob = base64.b64decode(words[2], validate=True)
    except (ValueError, binascii.Error):
        return None
    name_length = int.from_bytes(blob[:4], "big")
    if blob[4 : 4 + name_length] != words[1].encode():
        return None
    patterns = tuple(p for p in words[0].split(",") if p)
    return Entry(marker, patterns, HostKey(words[1], blob))


def read(path: Path) -> tuple[Entry, ...]:
    """The lines of a file; a file that isn't there, or that we may not read, has none."""
    try:
        return parse(path.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return ()


def host_name(host: str, port: int) -> str:
    """The name a host has in the file: ``host``, or ``[host]:port`` off port 22."""
    host = host.lower()
    return host if port in (0, SSH_PORT) else f"[{host}]:{port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownKeys:
    """What the files say of one host.

    ``keys`` are from the first file that has any, ``file`` is its name; ``portless`` are those of
    the same host on port 22, where there are no ``keys``; ``revoked`` are from all files.
    ``authorities`` says that a file names a certificate authority for the host.
    """

    name: str
    keys: tuple[HostKey, ...] = ()
    file: str = ""
    portless: tuple[HostKey, ...] = ()
    revoked: tuple[HostKey, ...] = ()
    authorities: bool = False


def look_up(host: str, port: int, files: Sequence[Path]) -> KnownKeys:
    """Find a host's keys; the first file that knows the host decides.

    Where none knows ``[host]:port``, ``host`` may vouch for it but not contradict it, as with ssh
    (OpenSSH 9.9 sshconnect.c ``check_host_key``, "checking without port identifier").
    """
    name = host_name(host, port)
    contents = [(path, read(path)) for path in files]
    entries = [entry for _, lines in contents for entry in lines if entry.matches(name)]
    knowing = ((path, keys) for path, lines in contents if (keys := _keys(lines, name)))
    path, keys = next(knowing, ("", ()))
    bare = () if keys or name == host.lower() else (_keys(lines, host) for _, lines in contents)
    return KnownKeys(
        name=name,
        keys=keys,
        file=str(path),
        portless=next(filter(None, bare), ()),
        revoked=tuple(e.key for e in entries if e.marker == "@revoked"),
        authorities=any(e.marker == "@cert-authority" for e in entries),
    )


def _keys(entries: Iterable[Entry], name: str) -> tuple[HostKey, ...]:
    return tuple(e.key for e in entries if not e.marker and e.matches(name))
