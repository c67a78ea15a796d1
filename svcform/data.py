"""Where the files that svcform ships lie: ``templates/`` and ``schemas/``."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Literal

Kind = Literal["templates", "schemas"]


def path(kind: Kind, name: str) -> Traversable:
    """The shipped file ``name`` (``"service.json"``, ``"dns/Corefile.j2"``) of ``kind``.

    In a wheel the folders lie inside the package, in ``_data/``; in a checkout and in an editable
    install they lie beside it.  Raises FileNotFoundError for a file that is not shipped.
    """
    package = files("svcform")
    for base in (package / "_data" / kind, package / ".." / kind):
        found = base.joinpath(*name.split("/"))
        if found.is_file():
            return found
    raise FileNotFoundError(f"svcform ships no {kind}/{name}.")


def read_text(kind: Kind, name: str) -> str:
    """The text of the shipped file; raises FileNotFoundError as :func:`path` does."""
    return path(kind, name).read_text(encoding="utf-8")
