from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.unit.transport import sshd as sshds
from tests.unit.transport.sshd import Sshd


@pytest.fixture(scope="session")
def node() -> Iterator[Sshd]:
    """A node with users of all kinds."""
    with _running(kinds=("ed25519", "rsa")) as sshd:
        yield sshd


@pytest.fixture(scope="session")
def bastion() -> Iterator[Sshd]:
    """A second sshd, for jumps."""
    with _running() as sshd:
        yield sshd


@pytest.fixture(scope="session")
def strict() -> Iterator[Sshd]:
    """An sshd that takes certificates and prompts only."""
    with _running(
        "UsePAM yes\nPasswordAuthentication no\nKbdInteractiveAuthentication yes\n"
        "AuthorizedKeysFile none\nTrustedUserCAKeys {directory}/id.pub\n"
    ) as sshd:
        yield sshd


@contextmanager
def _running(extra: str = "", kinds: tuple[str, ...] = ("ed25519",)) -> Iterator[Sshd]:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if not sshds.available():
        pytest.skip("needs sshd, sudo, doas and unshare")
    # not below pytest's own directory: each pytest closes it to other users when it starts
    directory = Path(tempfile.mkdtemp(prefix="svcf-transport-"))
    try:
        sshd = sshds.start(directory, kinds, extra.format(directory=directory))
        try:
            yield sshd
        finally:
            sshd.stop()
    finally:
        shutil.rmtree(directory)
