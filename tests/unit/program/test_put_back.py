"""A kept state goes back in the backends' order, whoever puts it back."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from svcform.program.bundle import runner_script
from svcform.program.reading import shell_source

BACKENDS = ("host", "iptables", "coredns")


def keep(folder: Path) -> None:
    """A state whose backends say their names when they are put back."""
    folder.mkdir(parents=True)
    rows = [f"{number}\t{name}\n" for number, name in enumerate(BACKENDS, start=9)]
    (folder / "order").write_text("".join(rows))
    (folder / "meta").write_text("plan\t0\n")
    for name in BACKENDS:
        (folder / f"{name}.restore").write_text(f'echo {name} >>"$SVCFORM_STATE/said"\n')


@pytest.mark.parametrize("shell", [["dash"], ["busybox", "sh"]], ids=lambda s: s[0])
@pytest.mark.parametrize(
    ("kept", "script", "verb"),
    [("previous", shell_source("rollback.sh"), ""), ("confirmed", runner_script(), "restore")],
)
def test_host_settings_come_before_the_rules_that_need_them(
    tmp_path: Path, shell: list[str], kept: str, script: str, verb: str
) -> None:
    keep(tmp_path / kept)
    environment = {**os.environ, "SVCFORM_STATE": str(tmp_path)}
    command = [*shell, "-c", script, "runner", verb]
    subprocess.run(command, env=environment, check=True, stdin=subprocess.DEVNULL, timeout=60)
    assert tuple((tmp_path / "said").read_text().split()) == BACKENDS
