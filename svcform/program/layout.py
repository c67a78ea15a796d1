"""What a node's state folder looks like; its version is what an older svcform refuses."""

from __future__ import annotations

LAYOUT = 1
"""The layout version that this svcform writes; a node with a greater one is refused."""

STATE_DIRECTORY = "/var/lib/svcform"
"""Where a node keeps what it remembers; ``SVCFORM_STATE`` in the environment overrides it, for
tests."""
