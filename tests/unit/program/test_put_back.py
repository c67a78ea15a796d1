"""A kept state goes back in the backends' order, whoever puts it back, and what goes backwards."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from svcform.backends import registry
from svcform.program.bundle import rollback_script, runner_script

BACKENDS = ("host", "iptables", "coredns")


def keep(folder: Path) -> None:
    """A state whose backends say their names when they are put back."""
    folder.mkdir(parents=True)
    rows = [f"{number}\t{name}\n" for number, name in enumerate(BACKENDS, start=9)]
    (folder / "order").write_text("".join(rows))
    (folder / "meta").write_text("plan\t0\n")
    for name in BACKENDS:
        (folder / f"{name}.restore").write_text(f'echo $2 {name} >>"$SVCFORM_STATE/said"\n')


@pytest.mark.parametrize("shell", [["dash"], ["busybox", "sh"]], ids=lambda s: s[0])
@pytest.mark.parametrize(
    ("kept", "script", "verb"),
    [("previous", rollback_script(), ""), ("confirmed", runner_script(), "restore")],
)
def test_host_settings_come_before_the_rules_that_need_them(
    tmp_path: Path, shell: list[str], kept: str, script: str, verb: str
) -> None:
    keep(tmp_path / kept)
    environment = {**os.environ, "SVCFORM_STATE": str(tmp_path)}
    command = [*shell, "-c", script, "runner", verb]
    subprocess.run(command, env=environment, check=True, stdin=subprocess.DEVNULL, timeout=60)
    assert (tmp_path / "said").read_text().splitlines() == [
        *(f"coming {name}" for name in BACKENDS),
        *(f"going {name}" for name in reversed(BACKENDS)),
    ]


def test_a_state_that_is_gone_takes_nothing_along(tmp_path: Path) -> None:
    """Another one may have taken it away just now."""
    environment = {**os.environ, "SVCFORM_STATE": str(tmp_path)}
    command = ["dash", "-c", rollback_script(), "runner"]
    assert subprocess.run(command, check=False, env=environment, timeout=60).returncode == 1


def test_every_backend_has_its_place() -> None:
    names = [sorted(b.name for b in order) for order in (registry.RESTORED, registry.BACKENDS)]
    assert names[0] == names[1]
