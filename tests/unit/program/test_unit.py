"""Service files are what systemd and sh take them for, whatever words stand in them."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from svcform.model.facts import Init
from svcform.program.unit import HEADER, Unit, disable, enable, forget, start, unit_files

ONCE = Unit(
    name="svcform",
    description="Put back what was confirmed",
    command=("/bin/sh", "/var/lib/svcform/runner", "restore"),
    reload=("/bin/sh", "/var/lib/svcform/runner", "restore"),
    before_network=True,
    follows=("firewalld.service", "nftables.service"),
)
DAEMON = Unit(
    name="svcform-haproxy",
    description="Carry Services",
    command=("/bin/sleep", "1000"),
    reload="HUP",
    daemon=True,
    after=("network-online.target", "docker.service"),
    open_files=4096,
)
WATCHER = Unit(
    name="svcform-after-x",
    description="Put back what was confirmed",
    command=("/bin/sh", "/var/lib/svcform/runner", "restore"),
    follows=("firewalld.service",),
    watches="/run/firewalld",
)
HOSTILE = ("a b", "$HOME", "%n", '"', "'", "\\n", "`id`", ";", "", "#")


def wait_until(condition: Callable[[], bool]) -> bool:
    limit = time.monotonic() + 60
    while not condition() and time.monotonic() < limit:
        time.sleep(0.05)
    return condition()


@pytest.mark.parametrize("init", [Init.SYSTEMD, Init.SYSV, Init.OPENRC])
@pytest.mark.parametrize("unit", [ONCE, DAEMON])
def test_every_file_carries_the_header(unit: Unit, init: Init) -> None:
    (file,) = unit_files(unit, init)
    assert HEADER in file.text.splitlines()[:2]


@pytest.mark.parametrize(
    "unit", [ONCE, DAEMON, WATCHER, replace(DAEMON, command=("/bin/echo", *HOSTILE))]
)
def test_systemd_takes_the_unit(unit: Unit, tmp_path: Path) -> None:
    paths = []
    for file in unit_files(unit, Init.SYSTEMD):
        paths.append(tmp_path / Path(file.path).name)
        paths[-1].write_text(file.text)
        assert HEADER in file.text
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *paths],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "svcform" not in done.stderr
    assert done.returncode == 0, done.stderr


def test_only_systemd_watches_a_folder() -> None:
    assert len(unit_files(WATCHER, Init.SYSTEMD)) == 2
    assert unit_files(WATCHER, Init.SYSV) == unit_files(WATCHER, Init.OPENRC) == ()


@pytest.mark.parametrize("shell", [["dash"], ["busybox", "sh"]])
def test_an_init_script_runs_exactly_the_command(shell: list[str], tmp_path: Path) -> None:
    show = ("/usr/bin/printf", "<%s>", *HOSTILE)
    (file,) = unit_files(replace(ONCE, command=show), Init.SYSV)
    path = tmp_path / "svcform"
    path.write_text(file.text)
    done = subprocess.run([*shell, path, "start"], capture_output=True, text=True, check=True)
    assert done.stdout == "".join(f"<{word}>" for word in HOSTILE)


@pytest.mark.parametrize("shell", [["dash"], ["busybox", "sh"]])
def test_an_init_script_starts_and_stops_a_daemon(shell: list[str], tmp_path: Path) -> None:
    (file,) = unit_files(DAEMON, Init.SYSV)
    path = tmp_path / "svcform-haproxy"
    path.write_text(file.text.replace("/run/svcform", f"{tmp_path}/svcform"))

    def act(verb: str) -> int:
        return subprocess.run([*shell, path, verb], timeout=30, check=False).returncode

    assert act("status") != 0
    assert act("start") == 0
    try:
        (pid,) = (int(p.read_text().split()[0]) for p in tmp_path.glob("*.pid"))
        command = Path(f"/proc/{pid}/cmdline")
        assert wait_until(lambda: command.read_bytes() == b"/bin/sleep\x001000\x00")
        assert act("start") == 0
        assert int(next(tmp_path.glob("*.pid")).read_text().split()[0]) == pid
    finally:
        assert act("stop") == 0
    assert wait_until(lambda: not Path(f"/proc/{pid}").exists())
    assert act("status") != 0


@pytest.mark.parametrize("shell", [["dash"], ["busybox", "sh"]])
def test_an_init_script_stops_what_hangs_with_all_that_it_has_started(
    shell: list[str], tmp_path: Path
) -> None:
    child = tmp_path / "child"
    hangs = f"trap '' TERM; sleep 1000 & echo $! >{child}; while :; do wait; done"
    (file,) = unit_files(replace(DAEMON, command=("/bin/sh", "-c", hangs)), Init.SYSV)
    path = tmp_path / "svcform-haproxy"
    text = file.text.replace("/run/svcform", f"{tmp_path}/svcform")
    assert "+ 10))" in text
    path.write_text(text.replace("+ 10))", "+ 1))"))

    subprocess.run([*shell, path, "start"], timeout=60, check=True)
    assert wait_until(lambda: child.exists() and child.read_text().endswith("\n"))
    subprocess.run([*shell, path, "stop"], timeout=60, check=True)

    assert wait_until(lambda: not Path(f"/proc/{int(child.read_text())}").exists())
    assert not list(tmp_path.glob("*.pid"))


@pytest.mark.parametrize("unit", [ONCE, DAEMON])
def test_an_openrc_script_is_sh(unit: Unit) -> None:
    (file,) = unit_files(unit, Init.OPENRC)
    subprocess.run(["dash", "-n"], input=file.text.encode(), check=True)


def test_an_unknown_init_system_has_neither_files_nor_commands() -> None:
    assert unit_files(ONCE, Init.NONE) == ()
    made = (enable(ONCE, Init.NONE), disable(ONCE, Init.NONE), start(ONCE, Init.NONE))
    assert (*made, forget(Init.NONE)) == ((), (), (), ())


@pytest.mark.parametrize("change", [{"name": "../x"}, {"name": "ssh"}, {"command": ("/a", "b\nc")}])
def test_a_unit_that_could_be_another_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"svcform|\.\./x|ssh"):
        replace(ONCE, **change)
