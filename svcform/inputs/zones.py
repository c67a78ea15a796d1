"""DNS zones of one node that must not be each other's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from svcform.inputs.settings import Setting, SettingsReader
from svcform.model.settings import Settings

#: What Services, pods and name servers have below the zone (Kubernetes DNS specification 1.1.0).
_TAKEN = ("svc", "pod", "dns", "dns-version")


def check_zones(
    found: Iterable[Mapping[str, Setting]], shared: Mapping[str, Any], problems: SettingsReader
) -> None:
    """Report a dns_external_zone that would take names away from the node's other zones."""
    domain = str(shared.get("cluster_domain", Settings().cluster_domain))
    for settings in found:
        external = settings.get("dns_external_zone")
        if external is None or not (taken := _taken(external.value, domain)):
            continue
        detail = (
            f"{external.name} must be a zone of its own: {taken}. Choose another name, such as "
            f"external.{domain}."
        )
        problems.report("SVC140", "A setting has a wrong value", detail, external.where)


def _taken(external: str, domain: str) -> str:
    """What is wrong with the zone; empty for nothing."""
    if external == domain:
        return f"{external} is the cluster_domain"
    for label in _TAKEN:
        if f".{external}".endswith(f".{label}.{domain}"):
            return f"the names below {label}.{domain} are the Services' own"
    if f".{external}".endswith((".in-addr.arpa", ".ip6.arpa")):
        return f"{external} is for addresses that are looked up backwards"
    return ""
