"""The published JSON Schemas, by the name of what they describe."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from svcform.data import read_text


@lru_cache(maxsize=64)
def schema(name: str) -> dict[str, Any]:
    """The schema of ``name`` (``"playbook"``, ``"service"``): ``schemas/<name>.schema.json``.

    The same object is given to every caller; nobody may change it.
    Raises FileNotFoundError for a schema that is not shipped.
    """
    loaded: dict[str, Any] = json.loads(read_text("schemas", f"{name}.schema.json"))
    return loaded
