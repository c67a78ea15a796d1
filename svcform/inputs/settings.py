"""The settings: their names, what each may be, and one node's out of its variables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from svcform.diagnostics import Diagnostic, Location, Severity
from svcform.inputs import setting_values as read
from svcform.inputs.expressions import Unusable, Value, Values
from svcform.inputs.groups import Layer
from svcform.inputs.setting_values import BadValue, Reader
from svcform.lang.ipvs.service import SCHEDULERS
from svcform.model.settings import Settings

PREFIX = "svcform_"
#: Variables with the prefix that are no settings.
OTHERS = frozenset({"svcform_lab_pid"})

READERS: Mapping[str, Reader] = {
    "proxy_mode": read.proxy_mode,
    "service_cidrs": read.cidrs,
    "pod_cidrs": read.cidrs,
    "masquerade_all": read.boolean,
    "masquerade_mark": read.single_bit,
    "affinity_entries": read.integer(1, 1 << 24),
    "node_ip": read.node_ip,
    "node_name": read.domain,
    "zone": read.zone,
    "node_port_range": read.port_range,
    "node_port_addresses": read.node_port_addresses,
    "localhost_node_ports": read.boolean,
    "management_flows": read.management_flows,
    "ipvs_scheduler": read.choice(*SCHEDULERS),
    "drain_wait": read.integer(0, 86_400),
    "load_balancer_pools": read.pools,
    "cluster_domain": read.domain,
    "dns": read.boolean,
    "coredns_binary": read.coredns_binary,
    "dns_listen": read.listen_addresses,
    "dns_ttl": read.integer(0, 3600),
    "dns_ttl_wait": read.boolean,
    "dns_endpoint_names": read.choice("headless", "all", "none"),
    "dns_endpoint_pod_names": read.boolean,
    "dns_pods": read.choice("disabled", "verified"),
    "dns_namespaces": read.namespaces,
    "dns_ignore_empty_service": read.boolean,
    "dns_zonal": read.boolean,
    "dns_external_zone": read.domain,
    "dns_external_headless": read.boolean,
    "dns_forward": read.forward_servers,
    "dns_resolver": read.choice("none", "node"),
}

#: One value for the whole project: addresses and names would mean two things otherwise.
PROJECT_WIDE = ("service_cidrs", "node_port_range", "load_balancer_pools", "cluster_domain")

#: Every variable name that svcform reads as a setting.
NAMES = frozenset(READERS) | frozenset(PREFIX + name for name in READERS)


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting's typed value, and the variable that set it."""

    value: Any
    name: str
    layer: Layer

    @property
    def where(self) -> Location:
        """Where the value was written."""
        return self.layer.where(self.name)


@dataclass(slots=True, eq=False)
class SettingsReader:
    """Reads settings; each problem is reported once, however many nodes share the place.

    ``trusted`` says whether a place was written for svcform (a play, the command line): a value of
    the wrong type is an error there, and only a warning in the inventory, which others share.
    """

    problems: dict[tuple[str, Location | None], Diagnostic] = field(default_factory=dict)
    _read: dict[tuple[str, Layer], Setting | None] = field(default_factory=dict)

    def read(self, values: Values, trusted: frozenset[Layer]) -> dict[str, Setting]:
        """The settings among a host's variables; ``trusted`` are such layers."""
        found: dict[str, Setting] = {}
        for name in READERS:
            for spelt in (PREFIX + name, name):
                if spelt in values:
                    setting = self._read_one(values, name, spelt, trusted)
                    if setting is not None:
                        found[name] = setting
                    break
        return found

    def _read_one(
        self, values: Values, name: str, spelt: str, trusted: frozenset[Layer]
    ) -> Setting | None:
        try:
            value = values.get(spelt)
        except Unusable as error:
            self.report("SVC112", "A value can't be evaluated", str(error), error.where)
            return None
        if value is None:
            return None
        # A value that was evaluated is new for each host; one that was only read is shared by all.
        shared = value.layer.values[spelt] is value.value
        key = (spelt, value.layer)
        if shared and key in self._read:
            return self._read[key]
        setting = self._typed(value, name, spelt, trusted)
        if shared:
            self._read[key] = setting
        return setting

    def _typed(
        self, value: Value, name: str, spelt: str, trusted: frozenset[Layer]
    ) -> Setting | None:
        try:
            return Setting(READERS[name](value.value), spelt, value.layer)
        except BadValue as error:
            self._report_bad(value, spelt, error, shared=value.layer not in trusted)
        return None

    def _report_bad(self, value: Value, spelt: str, error: BadValue, *, shared: bool) -> None:
        where = value.layer.where(spelt, *error.path)
        if value.secret:
            detail = f"{spelt} comes from a vault and is not what a setting may be."
            self.report("SVC140", "A setting has a wrong value", detail, where)
        elif shared and not spelt.startswith(PREFIX):
            detail = (
                f"{spelt} must be {error}; it is taken for somebody else's variable and ignored. "
                f"Write it as {PREFIX}{spelt} if svcform should read it."
            )
            summary = "An inventory variable is no setting"
            self.report("SVC141", summary, detail, where, Severity.WARNING)
        else:
            detail = f"{spelt} must be {error}."
            self.report("SVC140", "A setting has a wrong value", detail, where)

    def report(
        self,
        code: str,
        summary: str,
        detail: str,
        where: Location | None,
        severity: Severity = Severity.ERROR,
    ) -> None:
        """Keep a problem, unless it is known at that place."""
        found = Diagnostic(code, severity, summary, detail, where)
        self.problems.setdefault((f"{code} {detail}", where), found)


def make_settings(found: Mapping[str, Setting], node_name: str) -> Settings:
    """The typed settings of a node; ``node_name`` is the inventory's name of the host."""
    values = {name: setting.value for name, setting in found.items()}
    values.setdefault("node_name", node_name)
    if not isinstance(values.get("coredns_binary", ""), str):
        values["coredns_downloads"] = values.pop("coredns_binary")
    return Settings(**values)


def near_miss(name: str) -> str | None:
    """The setting that somebody may have meant with an unknown variable's name, or None.

    ``svcform_…`` is ours: there every unknown name gets the setting nearest to it.
    """
    if name in NAMES or name in OTHERS:
        return None
    if name.startswith(PREFIX):
        return PREFIX + min(READERS, key=lambda known: distance(name[len(PREFIX) :], known))
    return _near(name)


@lru_cache(maxsize=65536)
def _near(name: str) -> str | None:
    plain = name.lower().replace("-", "_")
    for known in READERS:
        allowed = 0 if len(known) < 6 else 1 if len(known) < 9 else 2
        if abs(len(plain) - len(known)) <= allowed and distance(plain, known) <= allowed:
            return known
    return None


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that a mistyped one may mean (at most a third of it wrong), or None."""
    best = min(known, key=lambda candidate: distance(name, candidate), default=None)
    if best is None or distance(name, best) > max(1, len(name) // 3):
        return None
    return best


def distance(one: str, other: str) -> int:
    """How many letters to insert, delete, replace or swap to make one text the other."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        older, before, row = before, row, [i]
        for j, wanted in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
    return row[-1]
