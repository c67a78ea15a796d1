"""All backends, in the order their steps run within a phase: one literal."""

from __future__ import annotations

from svcform.backends.contract import Backend

BACKENDS: tuple[Backend, ...] = ()
