"""How this run's sessions are opened."""

from __future__ import annotations

import os
from pathlib import Path

from svcform.cli.console import is_ci
from svcform.transport.open import Opener
from svcform.transport.options import SshOptions

KNOWN_HOSTS = "known_hosts"


def ssh_options(inventory_dir: Path) -> SshOptions:
    """Host keys are pinned beside the inventory; where CI is set nothing is ever trusted."""
    return SshOptions(pinned_known_hosts=inventory_dir / KNOWN_HOSTS, ci=is_ci(os.environ))


def opener(inventory_dir: Path) -> Opener:
    """Opens a session to a node of the project."""
    return Opener(ssh_options(inventory_dir))
