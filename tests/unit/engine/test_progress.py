"""Who works on nodes hears what the slow ones wait for."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Sequence

import pytest

from svcform.backends.registry import BACKENDS
from svcform.engine import observe as observing
from svcform.engine.observe import observe
from svcform.engine.progress import Patience, Wait
from svcform.errors import ReadingFailed
from svcform.program.reading import reading_script
from svcform.views.progress import NodeProgress
from tests.unit.engine.node import LabNode, opener

HANGS = """\
cat >/run/hangs <<'end'
#!/bin/sh
exec sleep 57
end
chmod 755 /run/hangs
mount --bind /run/hangs "$(readlink -f "$(command -v xtables-nft-multi)")"
"""


@pytest.mark.root
@pytest.mark.parametrize("shell", ["dash"], indirect=True)
def test_a_reading_that_hangs_is_told_of_and_ended(
    lab_node: LabNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    probes = [(probe.name, probe.script) for backend in BACKENDS for probe in backend.probes()]
    monkeypatch.setattr(observing, "the_reading_script", lambda: reading_script(probes, limit=20))
    monkeypatch.setattr("svcform.engine.progress._FIRST", 1.0)
    lab_node.run("mount -t tmpfs none /run && " + HANGS)
    heard: list[Wait] = []

    class Listener:
        def __call__(self, node: str, stage: str) -> None:
            assert (node, stage) == ("n1", "reading-failed")

        def wait(self, waits: Sequence[Wait]) -> None:
            heard.extend(waits)

    found = observe([lab_node.node()], opener, progress=Listener())["n1"]
    assert isinstance(found, ReadingFailed)
    assert re.fullmatch(
        r"The reading was ended: the node was still at 'fact.tools: sleep 57' after \d+ s.",
        str(found),
    )
    assert heard
    assert (heard[-1].node, heard[-1].what) == ("n1", "fact.tools: sleep 57")


def test_a_node_is_told_of_less_and_less_often() -> None:
    patience, now = Patience(), time.monotonic()
    told = []
    for second in range(1, 100):
        told += patience.due({"n1": now - second, "n2": now - second / 2}, {"n1": "nft list"})
    assert [wait.seconds for wait in told if wait.node == "n1"] == [10, 20, 40, 80]
    assert [wait.seconds for wait in told if wait.node == "n2"] == [10, 20, 40]
    assert told[0].what == "nft list"


def test_a_log_has_one_line_for_all_that_are_slow() -> None:
    stream = io.StringIO()
    waits = [Wait(f"n{n}", 10, "nft\x1b[2J list" if n == 0 else "") for n in range(30)]
    with NodeProgress(stream, "Reading", 30) as progress:
        progress.wait(waits)
    assert stream.getvalue() == (
        "Reading, still waiting after 10 s for n0 (nft\\x1b[2J list), n1, n2, n3, n4 and 25 more\n"
    )
