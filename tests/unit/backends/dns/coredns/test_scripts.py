"""The node's own sh: which process is the server, and what is proven, in dash and busybox."""

from __future__ import annotations

import subprocess

import pytest

from svcform.backends.dns.coredns.scripts import FUNCTIONS, RESTORE, SETTLE

COREFILE = "/etc/svcform/coredns/Corefile"
SHELLS = pytest.mark.parametrize("shell", [["dash"], ["busybox", "sh"]], ids=lambda words: words[0])
OPENRC = ["/sbin/supervise-daemon", "svcform-coredns", "--start", "/usr/bin/env", "--"]


def run(shell, script, given=""):
    argv = [*shell, "-c", script]
    done = subprocess.run(argv, input=given, capture_output=True, text=True, check=True)
    return done.stdout, done.stderr


def processes(folder, *found):
    """A /proc with these command lines, numbered from 101; each with its state."""
    for number, (argv, state) in enumerate(found, 101):
        place = folder / str(number)
        place.mkdir(parents=True)
        (place / "cmdline").write_text("".join(f"{word}\0" for word in argv))
        (place / "status").write_text(f"Name:\tx\nState:\t{state} (so)\n")


@SHELLS
@pytest.mark.parametrize("program", ["coredns", "/opt/dns/cdns"])
def test_the_server_is_who_was_told_our_corefile_and_not_who_started_it(shell, program, tmp_path):
    command = [program, "-conf", COREFILE]
    processes(
        tmp_path / "proc",
        (["vi", COREFILE], "S"),
        ([program, "-conf", "/etc/coredns/Corefile"], "S"),
        (command, "Z"),
        ([*OPENRC, *command], "S"),
        (command, "S"),
    )

    script = FUNCTIONS.replace("/proc/", f"{tmp_path}/proc/")

    assert run(shell, f"{script}\nserver") == ("105\n", "")


@SHELLS
def test_a_server_in_a_container_on_the_node_is_not_the_nodes(shell, tmp_path):
    command = ["coredns", "-conf", COREFILE]
    processes(tmp_path / "proc", (command, "S"), (command, "S"))
    for process, number in (("self", 1), ("101", 2), ("102", 1)):
        space = tmp_path / "proc" / process / "ns/net"
        space.parent.mkdir(parents=True)
        space.symlink_to(f"net:[{number}]")

    script = FUNCTIONS.replace("/proc/", f"{tmp_path}/proc/")

    assert run(shell, f"{script}\nserver") == ("102\n", "")


@SHELLS
@pytest.mark.parametrize(
    ("verb", "proven"), [("restart", "proven\n"), ("reload", "proven\n"), ("enable", "")]
)
def test_a_start_is_proven_also_where_no_file_changed(shell, verb, proven, tmp_path):
    """A program takes its time to load what it serves."""
    before, loop, after = SETTLE.partition('for part in "$work"/parts')
    stubs = "try() { :; }\nservice() { :; }\nprove_corefile() { echo proven; }\n"
    script = (before + stubs + loop + after).replace("/etc/svcform", f"{tmp_path}/svcform")
    script = f"SVCFORM_STATE={tmp_path}\n{script}"

    assert run(shell, script, f"service\t{verb}\nprove\n") == (proven, "")


@SHELLS
def test_a_corefile_that_somebody_had_removed_keeps_nothing_else_from_going_back(shell, tmp_path):
    saved, etc = tmp_path / "saved", tmp_path / "etc"
    (saved / "coredns").mkdir(parents=True)
    (etc / "svcform/coredns").mkdir(parents=True)
    (etc / "svcform/coredns/Corefile").write_text("# mended\n")
    (etc / "svcform/coredns/late.zone").write_text("")

    run(shell, f"set -- {saved}\nSVCFORM_STATE={tmp_path}\n{RESTORE}".replace("/etc/", f"{etc}/"))

    assert [path.name for path in (etc / "svcform/coredns").iterdir()] == ["Corefile"]
