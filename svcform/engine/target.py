"""``--target`` and ``--exclude``: which Services a run is about."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from svcform.errors import UsageError
from svcform.model.service import NamespacedName, Service


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """Which Services a run is about; everything, if there are no patterns.

    A pattern is ``namespace/name`` or ``name`` with globs, or ``label=value`` (several between
    commas must all hold), where the labels are those of the manifests.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    services: Mapping[NamespacedName, Service] = field(repr=False)

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return not self.include and not self.exclude

    def has(self, name: str) -> bool:
        """Whether ``namespace/name`` is targeted."""
        key = NamespacedName(*name.split("/", 1))
        chosen = not self.include or any(self._matches(key, p) for p in self.include)
        return chosen and not any(self._matches(key, p) for p in self.exclude)

    def check(self, names: Collection[str]) -> None:
        """Raise UsageError for patterns that none of these Services matches."""
        keys = [NamespacedName(*name.split("/", 1)) for name in names]
        unmatched = [
            pattern
            for pattern in (*self.include, *self.exclude)
            if not any(self._matches(key, pattern) for key in keys)
        ]
        if unmatched:
            raise UsageError(" ".join(self._unmatched(pattern, keys) for pattern in unmatched))

    def _unmatched(self, pattern: str, keys: Collection[NamespacedName]) -> str:
        if "=" in pattern:
            known = {f"{k}={v}" for service in self.services.values() for k, v in service.labels}
            text = f"No Service in the manifests has the label {pattern!r}"
        else:
            known = {str(key) if "/" in pattern else key.name for key in keys}
            text = f"No Service matches {pattern!r}"
        near = difflib.get_close_matches(pattern, sorted(known), n=1)
        if near:
            return f"{text}; did you mean {near[0]}?"
        return f"{text}: `svcform get` lists their names."

    def _matches(self, key: NamespacedName, pattern: str) -> bool:
        if "=" in pattern:
            service = self.services.get(key)
            return service is not None and all(
                service.label(label) == value
                for label, _, value in (term.partition("=") for term in pattern.split(","))
            )
        return fnmatchcase(str(key) if "/" in pattern else key.name, pattern)
