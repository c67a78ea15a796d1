"""A saved reading gives the same observations, or says why not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from svcform.engine.observe import Observation, understand
from svcform.engine.reading_file import SavedReading, read, write
from svcform.errors import HostKeyMismatch, PlanFileError
from svcform.plan import planfile
from svcform.plan.plan import Plan
from svcform.program.reading import Section
from svcform.transport.contract import Binding

SECTIONS = {
    "fact.host": Section(0, b"hostname=n1\nmachine_id=abc\nkernel=6.1\n", ""),
    "fact.addresses": Section(0, b"2: eth0    inet 192.0.2.11/24 scope global eth0\n", ""),
    "fact.routes": Section(0, b"IPv4 default via 192.0.2.1 dev eth0\n", ""),
    "state.project": Section(0, b"0123\n", ""),
    "state.receipts": Section(
        0, b"number\t00000001\nwho\tbob\nnumber\t00000002\ndetail\tnumber\nwho\talice\n", ""
    ),
    "host.state": Section(92, b"", "Permission denied"),
}
BINDING = Binding(address="192.0.2.11", port=22, host_key="ssh-ed25519 SHA256:x")


def saved() -> SavedReading:
    lost = HostKeyMismatch("Another key.", remedy="svcform trust")
    seen = understand(SECTIONS, BINDING)
    return SavedReading(when="2026-05-04T03:02:01Z", nodes={"n1": seen, "n2": lost, "n3": seen})


def test_what_was_read_comes_back() -> None:
    found = read(write(saved()))
    seen, lost = found.nodes["n1"], found.nodes["n2"]
    assert isinstance(seen, Observation)
    assert seen == understand(SECTIONS, BINDING)
    assert [receipt.number for receipt in seen.recorded.receipts] == [1, 2]
    assert isinstance(lost, HostKeyMismatch)
    assert (str(lost), lost.remedy) == ("Another key.", "svcform trust")
    assert found.when == "2026-05-04T03:02:01Z"


def test_nodes_that_answer_alike_are_stored_once() -> None:
    one = replace(saved(), nodes={"n1": saved().nodes["n1"]})
    assert len(write(saved())) < len(write(one)) + 400


@pytest.mark.parametrize("cut", [0, 10, 300])
def test_a_file_that_is_cut_short_is_refused(cut: int) -> None:
    with pytest.raises(PlanFileError, match="observe again"):
        read(write(saved())[:cut])


def test_a_plan_file_is_no_reading() -> None:
    with pytest.raises(PlanFileError, match="no reading of svcform's"):
        read(planfile.write(Plan(project_id="x", nodes=())))
