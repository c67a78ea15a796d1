"""Reads rules as any supported version of ``iptables-save`` prints them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import NamedTuple

from svcform.lang.iptables import rule as r


class RuleNotUnderstood(ValueError):
    """The text is not a rule of the kinds that :mod:`svcform.lang.iptables.rule` writes."""


#: Versions print a protocol by number where its name isn't known on the node.
_PROTOCOLS = {"6": "tcp", "17": "udp", "132": "sctp"}
#: How many words stand behind an option, where it isn't one.
_WORDS = {"--match-set": 2, "--map-set": 2}
_STATES = ("INVALID", "NEW", "RELATED", "ESTABLISHED", "UNTRACKED", "SNAT", "DNAT")


class _Options(NamedTuple):
    """An extension's options as found: name to value and whether negated."""

    values: dict[str, tuple[str, bool]]

    def take(self, name: str, default: str | None = None) -> str:
        """The value of an option that must not be negated; removes it."""
        if name not in self.values and default is not None:
            return default
        value, negated = self.take_negatable(name)
        if negated:
            raise RuleNotUnderstood(name)
        return value

    def take_negatable(self, name: str) -> tuple[str, bool]:
        if name not in self.values:
            raise RuleNotUnderstood(name)
        return self.values.pop(name)


def read(text: str) -> r.Rule:
    """The rule that ``text`` (what stands behind ``-A CHAIN``) says.

    Raises :class:`RuleNotUnderstood` for whatever we never write.
    """
    words = text.split()
    head, position = _head(words)
    matches: list[r.Match] = []
    while position < len(words) and words[position] == "-m":
        extension, options, position = _extension(words, position)
        reader = _MATCHES.get(extension)
        if reader is None or (extension in {"tcp", "udp", "sctp"} and extension != head[2]):
            raise RuleNotUnderstood(text)
        matches.append(reader(options))
        _finish(options, text)
    if position >= len(words):
        raise RuleNotUnderstood(text)
    target, options, position = _target(words, position)
    _finish(options, text)
    if position != len(words):
        raise RuleNotUnderstood(text)
    source, destination, protocol, negated = head
    return r.Rule(target, tuple(matches), protocol, source, destination, negated)


#: By far the most frequent rules, in their canonical form.
_FREQUENT = re.compile(
    r"(?:-d [0-9.]+/32 )?-p (tcp|udp|sctp)(?: -m \1 --dport [0-9]+)?"
    r"(?: -m statistic --mode random --probability 0\.[0-9]{11})?"
    r" -j DNAT --to-destination [0-9.]+:[0-9]+"
    r"|-s [0-9.]+/32 -d [0-9.]+/32 -j MASQUERADE --random-fully"
)


def canonical(text: str) -> str:
    """The canonical text of a rule; a rule that isn't understood stays as it is."""
    if _FREQUENT.fullmatch(text):
        return text
    try:
        return read(text).write()
    except ValueError:
        return text


def _head(words: list[str]) -> tuple[tuple[str, str, str, bool], int]:
    found = {"-s": "", "-d": "", "-p": ""}
    negated, position = False, 0
    while position < len(words):
        start = position + (words[position] == "!")
        if start + 1 >= len(words) or words[start] not in found or found[words[start]]:
            break
        if start > position:
            if words[start] != "-s":
                raise RuleNotUnderstood(" ".join(words))
            negated = True
        found[words[start]] = words[start + 1]
        position = start + 2
    protocol = _PROTOCOLS.get(found["-p"], found["-p"])
    if protocol and protocol not in _PROTOCOLS.values():
        raise RuleNotUnderstood(" ".join(words))
    return (_cidr(found["-s"]), _cidr(found["-d"]), protocol, negated), position


def _extension(words: list[str], position: int) -> tuple[str, _Options, int]:
    name = words[position + 1] if position + 1 < len(words) else ""
    options, position = _options(words, position + 2)
    return name, options, position


def _options(words: list[str], position: int) -> tuple[_Options, int]:
    values: dict[str, tuple[str, bool]] = {}
    while position < len(words):
        negated = words[position] == "!"
        start = position + negated
        if start >= len(words) or not words[start].startswith("--"):
            break
        name, position = words[start], start + 1
        value = ""
        for _ in range(_WORDS.get(name, 1)):
            if position < len(words) and not words[position].startswith(("-", "!")):
                value, position = f"{value} {words[position]}".lstrip(), position + 1
        if name in values:
            raise RuleNotUnderstood(" ".join(words))
        values[name] = (value, negated)
    return _Options(values), position


def _target(words: list[str], position: int) -> tuple[r.Target, _Options, int]:
    if position + 1 >= len(words) or words[position] not in {"-j", "-g"}:
        raise RuleNotUnderstood(" ".join(words))
    name = words[position + 1]
    options, end = _options(words, position + 2)
    if words[position] == "-g":
        return r.Goto(name), options, end
    reader = _TARGETS.get(name)
    return (reader(options) if reader else r.Verdict(name)), options, end


def _finish(options: _Options, text: str) -> None:
    if options.values:
        raise RuleNotUnderstood(text)


def _cidr(text: str) -> str:
    return str(ipaddress.ip_network(text)) if text else ""


def _range(text: str) -> tuple[int, int]:
    low, _, high = text.partition(":")
    return int(low), int(high or low)


def _masked(text: str) -> tuple[int, int]:
    value, _, mask = text.partition("/")
    return int(value, 0), int(mask or "0xffffffff", 0)


def _port(options: _Options) -> r.Match:
    return r.Port(*_range(options.take("--dport")))


def _statistic(options: _Options) -> r.Match:
    if options.take("--mode") != "random":
        raise RuleNotUnderstood("--mode")
    return r.Statistic(round(float(options.take("--probability")) * r.PROBABILITY_ONE))


def _recent(options: _Options) -> r.Match:
    name, mask = options.take("--name"), options.take("--mask")
    options.take("--rsource")
    if "--set" in options.values:
        options.take("--set")
        return r.Recent(name, mask)
    options.take("--update")
    options.take("--reap")
    return r.Recent(name, mask, int(options.take("--seconds")))


def _conntrack(options: _Options) -> r.Match:
    states: tuple[str, ...] = ()
    negated = False
    if "--ctstate" in options.values:
        text, negated = options.take_negatable("--ctstate")
        states = tuple(sorted(text.split(","), key=_STATES.index))
    destination = _cidr(options.take("--ctorigdst", ""))
    ports = options.take("--ctorigdstport", "")
    direction = options.take("--ctdir", "")
    return r.Conntrack(states, negated, destination, _range(ports) if ports else None, direction)


def _mark(options: _Options) -> r.Match:
    text, negated = options.take_negatable("--mark")
    return r.Mark(*_masked(text), negated)


def _connmark(options: _Options) -> r.Match:
    return r.ConnectionMark(*_masked(options.take("--mark")))


def _in_set(options: _Options) -> r.Match:
    text, negated = options.take_negatable("--match-set")
    name, _, fields = text.partition(" ")
    return r.InSet(name, fields, negated)


def _addrtype(options: _Options) -> r.Match:
    if options.take("--src-type") != "LOCAL":
        raise RuleNotUnderstood("--src-type")
    return r.LocalSource()


def _dnat(options: _Options) -> r.Target:
    address, _, port = options.take("--to-destination").rpartition(":")
    return r.Dnat(str(ipaddress.ip_address(address.strip("[]"))), int(port))


def _set_mark(options: _Options) -> r.Target:
    return r.SetMark(*_masked(options.take("--set-xmark")))


def _set_connection_mark(options: _Options) -> r.Target:
    return r.SetConnectionMark(*_masked(options.take("--set-xmark")))


def _map_mark(options: _Options) -> r.Target:
    name, _, fields = options.take("--map-set").partition(" ")
    options.take("--map-mark")
    return r.MapMark(name, fields)


def _masquerade(options: _Options) -> r.Target:
    options.take("--random-fully")
    return r.Masquerade()


def _reject(options: _Options) -> r.Target:
    return r.Reject(options.take("--reject-with"))


_MATCHES: dict[str, Callable[[_Options], r.Match]] = {
    "tcp": _port,
    "udp": _port,
    "sctp": _port,
    "statistic": _statistic,
    "recent": _recent,
    "conntrack": _conntrack,
    "mark": _mark,
    "connmark": _connmark,
    "set": _in_set,
    "addrtype": _addrtype,
}
_TARGETS: dict[str, Callable[[_Options], r.Target]] = {
    "DNAT": _dnat,
    "MARK": _set_mark,
    "CONNMARK": _set_connection_mark,
    "SET": _map_mark,
    "MASQUERADE": _masquerade,
    "REJECT": _reject,
}
