"""``python -m svcform``."""

from __future__ import annotations

from svcform.cli.main import run

if __name__ == "__main__":
    run()
