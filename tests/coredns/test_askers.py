"""An apply is proven by whichever tool a node has to ask CoreDNS with, under each of its shells."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from svcform.backends.dns.coredns.scripts import SETTLE
from tests.conformance.dns_servers import Server, serving

SERIAL = 4294967290
ZONE = f"""\
cluster.local. 5 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. {SERIAL} 7200 1800 86400 5
cluster.local. 5 IN NS ns.dns.cluster.local.
ns.dns.cluster.local. 5 IN A 192.0.2.1
"""
#: The scripts' own functions, asked about a server that runs elsewhere.
COMMON = SETTLE.partition("# Changes zones and files")[0]
QUESTIONS = """
port=$1
server() { echo 1; }
addresses() { echo 127.0.0.1; }
echo "$asker"
served_serial cluster.local.
is_soa() {
	is_answered 127.0.0.1 cluster.local SOA IN "$(printf '%08x' "$1" $times 5)" " $1 $times 5"
}
is_soa 4294967290 && echo it
is_soa 4294967291 || echo not another
is_soa 294967290 || echo not a part of it
"""
TOOLS = ("awk", "cat", "cut", "dd", "grep", "head", "od", "printf", "sed", "sleep", "timeout", "tr")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("zone")
    (folder / "zone").write_text(ZONE)
    with serving("CoreDNS", folder, [("cluster.local.", folder / "zone")]) as found:
        yield found


@pytest.mark.parametrize("shell", ["dash", "busybox"])
@pytest.mark.parametrize("tool", ["bash", "dig", "python3", "host"])
def test_each_tool_tells_the_serial(server: Server, tmp_path: Path, tool: str, shell: str):
    for name in (*TOOLS, tool):
        found = sys.executable if name == "python3" else shutil.which(name)
        assert found, name
        (tmp_path / name).symlink_to(os.path.realpath(found))
    program = shutil.which(shell)
    assert program
    argv = [program, *(["sh"] if shell == "busybox" else []), "-c", COMMON + QUESTIONS, "sh"]

    done = subprocess.run(
        [*argv, str(server.port)],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    said = [tool, str(SERIAL), "it", "not another", "not a part of it"]
    assert done.stdout.splitlines() == said, done.stderr


def test_an_nc_that_knows_no_udp_is_none(tmp_path: Path):
    for name in TOOLS:
        (tmp_path / name).symlink_to(os.path.realpath(shutil.which(name) or name))
    for usage, asker in (("nc [-l] HOST PORT", ""), ("-u\t\tUDP mode", "nc")):
        (tmp_path / "nc").write_text(f"#!/bin/sh\necho '{usage}' >&2\nexit 1\n")
        (tmp_path / "nc").chmod(0o755)

        done = subprocess.run(
            ["/bin/sh", "-c", f'{COMMON}\necho "$asker"'],
            env={"PATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        )

        assert done.stdout == f"{asker}\n", done.stderr
