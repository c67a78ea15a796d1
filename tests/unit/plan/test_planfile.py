"""A plan file gives back what was written, or says why not."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcform.diagnostics import Diagnostic, Location, Origin, Severity
from svcform.errors import PlanFileError
from svcform.plan import planfile
from svcform.plan.diff import Change
from svcform.plan.plan import Batch, NodeBinding, NodePlan, Plan, Problem
from svcform.plan.services import ServiceChange, ServiceRow
from svcform.plan.snapshot import ObjectAddress, RecordedObject
from svcform.program.program import Checkpoint, Fingerprint, Phase, Program, Step

TEXT = st.text(st.characters(blacklist_categories=["Cs"]), max_size=8)
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
ENTRIES = st.lists(TEXT.filter(bool), max_size=3).map(tuple)
OBJECTS = st.none() | st.builds(RecordedObject, TEXTS)
ADDRESSES = st.builds(ObjectAddress, TEXT, TEXTS)
ROWS = st.builds(ServiceRow, TEXT, TEXT, TEXT, ENTRIES, ENTRIES, ENTRIES)
WHERE = (
    st.none()
    | st.builds(Location, TEXT, st.integers(0, 9), st.integers(0, 9))
    | st.builds(
        Origin, TEXT, st.integers(0, 9), st.lists(TEXT | st.integers(), max_size=2).map(tuple)
    )
)
DIAGNOSTICS = st.lists(
    st.builds(Diagnostic, TEXT, st.sampled_from(Severity), TEXT, TEXT, WHERE), max_size=2
).map(tuple)
STEPS = st.lists(
    st.builds(
        Step,
        backend=TEXT,
        phase=st.sampled_from(Phase),
        summary=TEXT,
        command=TEXTS,
        stdin=st.binary(max_size=8),
        stores=st.booleans(),
        waits=st.integers(0, 3600),
        rehearsal=TEXTS,
    ),
    max_size=2,
).map(tuple)
PROGRAMS = st.builds(
    Program,
    steps=STEPS,
    undo=STEPS,
    fingerprints=st.lists(
        st.builds(
            Fingerprint, backend=TEXT, script=TEXT, operands=st.binary(), expected=st.binary()
        ),
        max_size=2,
    ).map(tuple),
)
NODES = st.builds(
    NodePlan,
    node=TEXT,
    plays=st.lists(st.integers(0, 3), max_size=2).map(tuple),
    binding=st.none()
    | st.builds(
        NodeBinding,
        connection=TEXT,
        address=TEXT,
        port=st.integers(0, 65535),
        host_key=TEXT,
        machine_id=TEXT,
    ),
    changes=st.lists(st.builds(Change, ADDRESSES, OBJECTS, OBJECTS), max_size=3).map(tuple),
    service_changes=st.lists(
        st.builds(ServiceChange, st.none() | ROWS, st.none() | ROWS), max_size=2
    ).map(tuple),
    services=st.lists(ROWS, max_size=3).map(
        lambda rows: tuple(sorted(rows, key=lambda row: row.key))
    ),
    program=PROGRAMS,
    checkpoints=st.lists(
        st.builds(Checkpoint, backend=TEXT, save=TEXT, restore=TEXT), max_size=2
    ).map(tuple),
    diagnostics=DIAGNOSTICS,
    drift=st.lists(ADDRESSES, max_size=2).map(tuple),
    absent=st.booleans(),
    layout=st.integers(0, 3),
    project=TEXT,
    before=TEXT,
    after=TEXT,
    claims=st.booleans(),
    problem=st.none() | st.builds(Problem, reason=TEXT, message=TEXT, remedy=TEXT),
)
PLANS = st.builds(
    Plan,
    project_id=TEXT,
    nodes=st.lists(NODES, max_size=3).map(tuple),
    batches=st.lists(
        st.builds(Batch, nodes=TEXTS, max_fail_percentage=st.none() | st.floats(0, 100)),
        max_size=2,
    ).map(tuple),
    refusals=DIAGNOSTICS,
)
SMALL = Plan(project_id="p", nodes=(NodePlan(node="edge-1", services=()),))


@given(PLANS)
def test_what_is_read_is_what_was_written(plan: Plan) -> None:
    data = planfile.write(plan)
    assert planfile.read(data) == plan
    assert planfile.write(planfile.read(data)) == data
    assert planfile.digest(planfile.read(data)) == planfile.digest(plan)


@given(PLANS, st.data())
def test_a_truncated_or_tampered_file_is_refused_or_still_the_same(
    plan: Plan, data: st.DataObject
) -> None:
    whole = planfile.write(plan)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(PlanFileError):
        planfile.read(whole[:cut])
    flipped = bytearray(whole)
    flipped[cut] ^= data.draw(st.integers(1, 255))
    with suppress(PlanFileError):
        assert planfile.read(bytes(flipped)) == plan


def test_nodes_with_the_same_program_store_it_once() -> None:
    step = Step(backend="b", phase=Phase.MAKE, summary="s", command=("true",), stdin=b"x" * 99999)
    program = Program(steps=(step,))
    nodes = tuple(NodePlan(node=f"n{n}", program=program) for n in range(1000))
    data = planfile.write(Plan(project_id="p", nodes=nodes))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert len(archive.namelist()) < 10


def repacked(**entries: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name.replace("plan_json", "plan.json"), content)
    return stream.getvalue()


NESTED = b"[" * 100_000


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "damaged or cut short"),
        (b"kind: Service\n", "damaged or cut short"),
        (repacked(readme=b"hello"), "no plan file"),
        (repacked(plan_json=b"{}", digest=b"0" * 64), "has been changed"),
        (repacked(plan_json=NESTED, digest=hashlib.sha256(NESTED).hexdigest().encode()), "damaged"),
    ],
)
def test_what_is_no_plan_file_is_refused_by_name(data: bytes, says: str) -> None:
    with pytest.raises(PlanFileError, match=says):
        planfile.read(data)


def test_another_format_is_named() -> None:
    with zipfile.ZipFile(io.BytesIO(planfile.write(SMALL))) as archive:
        value = json.loads(archive.read("plan.json"))
    text = json.dumps({**value, "format": 9}).encode()
    digest = hashlib.sha256(text).hexdigest().encode()
    with pytest.raises(PlanFileError, match="format 9"):
        planfile.read(repacked(plan_json=text, digest=digest))
