"""Nodes under a real systemd, with Debian's firewalls beside the host's programs."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

FIREWALLS = Path(sys.prefix) / "firewalls"


@pytest.fixture(scope="session")
def firewalls() -> str:
    """The folder with the unpacked packages."""
    if shutil.which("systemctl") is None:
        pytest.skip("this machine has no systemd to run in a node")
    if not FIREWALLS.is_dir():
        pytest.skip("no packages of firewalls were unpacked: make test does that, on Debian")
    return str(FIREWALLS)
