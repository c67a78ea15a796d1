"""The node's own sh: whose a virtual service is, and sets that go; in dash and busybox."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from svcform.backends.proxy.ipvs.scripts import FUNCTIONS, REMOVE
from svcform.lang.ipvs.service import AddressService

OURS = [
    AddressService("TCP", "10.96.0.12", 80),
    AddressService("SCTP", "192.0.2.255", 65535),
    AddressService("UDP", "fd96::99", 53),
    AddressService("TCP", "::1", 80),
    AddressService("TCP", "2001:db8::", 443),
    AddressService("TCP", "2001:db8:1:2:3:4:5:6", 443),
]
#: Marks of svcform's, of IPv6 too.
MARKS = ["FWM 40001000", "FWM 7FFFFFF1", "FWM 40000020"]
FOREIGN = [
    "TCP 0A60000C:0051",
    "UDP 0A60000C:0050",
    "TCP [fd96:0000:0000:0000:0000:0000:0000:0099]:0035",
    "FWM 00000063",
    "FWM 80001000",
    "FWM 40000000",
    "FWM 40000011",
    "FWM 40001002",
    "FWM 7FFFFFFF",
]


def recorded(service: AddressService) -> str:
    family = 6 if ":" in service.address else 4
    at = f"{service.protocol.lower()}:{service.port}"
    return f"add SVCFORM-{family}-VIRTUAL {service.address},{at}"


SHELLS = pytest.mark.parametrize("shell", [["dash"], ["busybox", "sh"]], ids=lambda words: words[0])


@SHELLS
def test_only_recorded_addresses_and_marks_of_ours_are_ours(shell: list[str]):
    mine = [*MARKS, *(service.place for service in OURS)]
    listed = [f"service {place} rr" for place in [*mine, *FOREIGN]]
    saved = [*map(recorded, OURS), "add OTHERS 10.96.0.12,tcp:81"]
    given = "\n".join([*saved, "==", *listed, ""])

    done = subprocess.run(
        [*shell, "-c", f"{FUNCTIONS}\nonly_ours"],
        input=given,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.splitlines() == [f"service {place} rr" for place in mine]


#: An ipset that says for two sets, each once, what the kernel says as long as a rule holds one.
IPSET = """#!/bin/sh
[ "$*" = "-exist destroy $3" ] || exit 64
[ -e "$0.$3" ] || { : >"$0.$3" && echo "Set cannot be destroyed: it is in use" >&2 && exit 1; }
rm "$0.$3"
echo "$3" >>"$0.gone"
"""


@SHELLS
def test_a_set_that_a_rule_lets_go_of_a_moment_later_goes_all_the_same(
    shell: list[str], tmp_path: Path
):
    tool = tmp_path / "ipset"
    tool.write_text(IPSET)
    tool.chmod(0o755)

    subprocess.run(
        [*shell, "-c", REMOVE],
        input="SVCFORM-4-FRONTENDS\nSVCFORM-6-FRONTENDS\n",
        text=True,
        check=True,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )

    assert (tmp_path / "ipset.gone").read_text() == "SVCFORM-4-FRONTENDS\nSVCFORM-6-FRONTENDS\n"
