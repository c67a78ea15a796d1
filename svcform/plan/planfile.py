"""The plan file: a plan as :mod:`svcform.plan.archive` has it; ``docs/plan-file.md``."""

from __future__ import annotations

import json

from svcform.plan import archive
from svcform.plan.archive import PLAN
from svcform.plan.decode import Decoder
from svcform.plan.encode import FORMAT, Encoder
from svcform.plan.plan import Plan


def write(plan: Plan) -> bytes:
    """The bytes of the plan file; the same plan gives the same bytes."""
    encoder = Encoder()
    text = encoder.plan(plan)
    return archive.pack(PLAN, text, encoder.blobs)


def digest(plan: Plan) -> str:
    """The plan's digest, 64 hexadecimal digits; every plan prints it."""
    return archive.sha256(Encoder().plan(plan))


def read(data: bytes) -> Plan:
    """The plan in a plan file.

    Raises PlanFileError for one that is corrupt, truncated, foreign or tampered with.
    """
    text, blobs = archive.unpack(PLAN, data)
    try:
        value = json.loads(text)
        found = value["format"]
        if found == FORMAT:
            return Decoder(blobs).plan(value)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise archive.damaged(PLAN) from error
    raise archive.foreign(PLAN, found, FORMAT)
