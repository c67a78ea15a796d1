"""Values that hold Jinja2 expressions or are encrypted, evaluated when they are used.

Ansible templates inventory values so; svcform does for the variables it reads itself.  The sandbox
is Jinja2's; only its own filters and tests are there, none of Ansible's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, Undefined, meta
from jinja2.nativetypes import NativeCodeGenerator, NativeTemplate
from jinja2.sandbox import SandboxedEnvironment

from svcform.diagnostics import Location
from svcform.inputs.groups import Layer
from svcform.inputs.vault import VaultFailed, VaultSecret, VaultText, decrypt

_MARKS = ("{{", "{%", "{#")


class Unusable(Exception):
    """A value can't be evaluated; the text says why, in a full sentence."""

    def __init__(self, message: str, where: Location) -> None:
        super().__init__(message)
        self.where = where


@dataclass(frozen=True, slots=True)
class Value:
    """An evaluated value of the variable ``name`` of ``layer``.  ``secret``: never show it."""

    value: Any = field(repr=False)
    name: str
    layer: Layer = field(repr=False, compare=False)
    secret: bool = False

    @property
    def where(self) -> Location:
        """Where the value was written."""
        return self.layer.where(self.name)


class Expressions:
    """Compiles each expression once for all hosts; ``host_values`` serves ``hostvars``."""

    def __init__(self, secrets: Sequence[VaultSecret]) -> None:
        self._secrets = secrets
        self._environment = _Environment(undefined=StrictUndefined)
        self._compiled: dict[str, tuple[Template, frozenset[str]]] = {}
        self._opened: dict[VaultText, str] = {}

    def render(self, text: str, look_up: _LookUp) -> object:
        """The value of a template; a single ``{{ expression }}`` keeps its type.

        Raises TemplateError and what an expression itself may raise.
        """
        if text not in self._compiled:
            free = meta.find_undeclared_variables(self._environment.parse(text))
            self._compiled[text] = (self._environment.from_string(text), frozenset(free))
        compiled, names = self._compiled[text]
        known = {name: look_up.get(name) for name in sorted(names) if look_up.has(name)}
        return compiled.render(known)

    def open(self, vault: VaultText) -> str:
        """The plain text; raises VaultFailed.  Each text is decrypted once."""
        if vault not in self._opened:
            self._opened[vault] = decrypt(vault, self._secrets)
        return self._opened[vault]


class Values:
    """One host's variables, evaluated when asked for.

    ``magic`` are Ansible's own variables (``inventory_hostname``, ``groups`` …), which win.
    """

    def __init__(
        self, winners: Mapping[str, Layer], magic: Mapping[str, Any], expressions: Expressions
    ) -> None:
        self.winners = winners
        self.magic = magic
        self.expressions = expressions

    def __contains__(self, name: str) -> bool:
        return name in self.winners

    def get(self, name: str) -> Value | None:
        """The variable's value, or None where it is not set.  Raises Unusable."""
        layer = self.winners.get(name)
        if layer is None:
            return None
        raw = layer.values[name]
        if isinstance(raw, int | float) or (isinstance(raw, str) and not _is_template(raw)):
            return Value(raw, name, layer)
        look_up = _LookUp(self)
        try:
            value = look_up.get(name)
        except VaultFailed as failure:
            raise Unusable(f"{name} can't be used: {failure}", layer.where(name)) from failure
        except _FAILURES as error:
            reason = " ".join(str(error).split()).rstrip(".") or "its value is too large"
            message = f"The expression in {name} can't be evaluated: {reason}."
            raise Unusable(message, layer.where(name)) from error
        return Value(value, name, layer, look_up.secret)


# What an expression may raise when it runs: Jinja2's own, and those of Python's operations on
# values of the wrong type.
_FAILURES = (
    TemplateError,
    TypeError,
    ValueError,
    ArithmeticError,
    LookupError,
    AttributeError,
    RecursionError,
    MemoryError,
)


class _Template(NativeTemplate):
    pass


class _Environment(SandboxedEnvironment):
    code_generator_class = NativeCodeGenerator
    template_class = _Template

    @staticmethod
    def concat(parts: Any) -> Any:  # noqa: ANN401 - Jinja2's own signature
        """A single part as it is, more as text (Ansible's rule, not Jinja2's literal_eval)."""
        known = list(parts)
        if any(isinstance(part, Undefined) for part in known):
            # A strict undefined raises its own UndefinedError when it becomes text.
            return "".join(map(str, known))
        return known[0] if len(known) == 1 else "".join(map(str, known))


_Template.environment_class = _Environment  # type: ignore[assignment]


def _is_template(text: str) -> bool:
    return "{" in text and any(mark in text for mark in _MARKS)


class _LookUp:
    """One evaluation: knows which names it is inside of, and whether it met a secret."""

    def __init__(self, values: Values) -> None:
        self._values = values
        self._inside: list[str] = []
        self.secret = False

    def has(self, name: str) -> bool:
        return name == "hostvars" or name in self._values.magic or name in self._values.winners

    def get(self, name: str) -> object:
        if name in self._values.magic:
            magic: object = self._values.magic[name]
            return _HostVars(magic, self) if isinstance(magic, HostValues) else magic
        if name in self._inside:
            chain = " -> ".join([*self._inside, name])
            raise ValueError(f"it refers to itself ({chain})")
        self._inside.append(name)
        try:
            return self._evaluate(self._values.winners[name].values[name])
        finally:
            self._inside.pop()

    def _evaluate(self, raw: object) -> object:
        if isinstance(raw, VaultText):
            self.secret = True
            return self._values.expressions.open(raw)
        if isinstance(raw, str):
            return self._values.expressions.render(raw, self) if _is_template(raw) else raw
        if isinstance(raw, Mapping):
            return {key: self._evaluate(value) for key, value in raw.items()}
        if isinstance(raw, list):
            return [self._evaluate(value) for value in raw]
        return raw


@dataclass(frozen=True, slots=True)
class HostValues:
    """Where ``hostvars`` comes from: ``of_host`` gives any host's values, or raises KeyError."""

    names: Collection[str]
    of_host: Callable[[str], Values]


class _HostVars(Mapping[str, Any]):
    """``hostvars`` as an expression sees it."""

    def __init__(self, hosts: HostValues, user: _LookUp) -> None:
        self._hosts = hosts
        self._user = user

    def __getitem__(self, name: str) -> Mapping[str, Any]:
        return _HostView(self._hosts.of_host(name), self._user)

    def __iter__(self) -> Iterator[str]:
        return iter(self._hosts.names)

    def __len__(self) -> int:
        return len(self._hosts.names)


class _HostView(Mapping[str, Any]):
    """One host in ``hostvars``."""

    def __init__(self, values: Values, user: _LookUp) -> None:
        self._values = values
        self._user = user

    def __getitem__(self, name: str) -> object:
        look_up = _LookUp(self._values)
        if not look_up.has(name):
            raise KeyError(name)
        found = look_up.get(name)
        self._user.secret |= look_up.secret
        return found

    def __iter__(self) -> Iterator[str]:
        return iter({**self._values.winners, **self._values.magic})

    def __len__(self) -> int:
        return len({**self._values.winners, **self._values.magic})
