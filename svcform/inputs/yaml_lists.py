"""Long Lists, as ``kubectl get -o yaml`` prints them, read piece by piece.

ryaml holds a whole document twice while it reads: 1.1 GB for 42 MB of Services and EndpointSlices.
"""

from __future__ import annotations

import re
from typing import Any

import ryaml

#: Characters that are read at once; only longer Lists are cut.
PIECE = 1 << 18

_ITEMS = "\nitems:\n"
_first_item = f"{_ITEMS}- "
# What ends a sequence at the left margin: a line that is no item, nor a part of one.
_after_items = re.compile(r"\n(?=[^-\s#])")


def loads_all(text: str, piece: int = PIECE) -> list[Any]:
    """All documents of a text that has no anchors; raises ValueError as ryaml does.

    A text in which the items of a List can't be told for sure is read as a whole.
    """
    start = text.find(_first_item)
    if start < 0 or len(text) < 2 * piece:
        return _read(text)
    begin = start + len(_ITEMS)
    found = _after_items.search(text, begin)
    end = found.start() + 1 if found else len(text)
    frame = text[:begin] + text[end:]
    documents = _read(frame)
    # In quotes that go on at the left margin, there may be what only looks like items.
    is_sure = len(documents) == 1 and frame.count(_ITEMS.rstrip()) == 1
    document = documents[0] if is_sure else None
    if not isinstance(document, dict) or document.get("items", "") is not None:
        return _read(text)
    document["items"] = _items(text[begin:end], piece)
    return documents


def _items(text: str, piece: int) -> list[Any]:
    # A piece that ends inside of quotes or brackets is no YAML: it can't be misunderstood.
    items: list[Any] = []
    begin = 0
    while begin < len(text):
        boundary = text.find("\n- ", begin + piece)
        end = boundary + 1 if boundary >= 0 else len(text)
        (part,) = _read(text[begin:end])
        items += part
        begin = end
    return items


def _read(text: str) -> list[Any]:
    found: list[Any] = ryaml.loads_all(text)  # type: ignore[attr-defined] # no __all__
    return found
