"""The plan file: a zip with the plan as JSON, and its big parts once each, by content."""

from __future__ import annotations

from svcform.plan.plan import Plan


def write(plan: Plan) -> bytes:
    """The bytes of the plan file; the same plan gives the same bytes."""
    raise NotImplementedError


def read(data: bytes) -> Plan:
    """The plan in a plan file.

    Raises PlanFileError for one that is corrupt, truncated, foreign or tampered with.
    """
    raise NotImplementedError


def digest(plan: Plan) -> str:
    """The plan's digest, 64 hexadecimal digits; every plan prints it."""
    raise NotImplementedError
