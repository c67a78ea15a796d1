"""Intent and facts in, the wanted chains out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from svcform.backends.contract import Expressed
from svcform.backends.proxy.iptables.common import Common, common_chains, stubs
from svcform.backends.proxy.iptables.forward import FORWARD, forward_chains
from svcform.backends.proxy.iptables.node import (
    CHECK,
    HEALTH,
    LOCALHOST,
    LOOPBACK,
    POSTROUTING,
    SERVICES,
    Own,
    hairpin_chains,
    own_chains,
)
from svcform.backends.proxy.iptables.objects import (
    FAMILY_WORDS,
    Chain,
    Jumps,
    Variant,
    address,
)
from svcform.backends.proxy.iptables.ports import Chains
from svcform.backends.proxy.iptables.shape import Shape
from svcform.backends.proxy.iptables.tools import require_tools, variant_of
from svcform.lang.iptables import rule as r
from svcform.model.facts import Facts
from svcform.model.net import Family, family_of
from svcform.model.settings import ProxyMode
from svcform.plan.snapshot import Layered, NodeObject, ObjectAddress
from svcform.policy.intent import Intent
from svcform.policy.node_addresses import NodeAddresses, resolve

Layer = Mapping[ObjectAddress, NodeObject]
_NEW = r.Conntrack(("NEW",))
_TO_FORWARD = r.Rule(r.Verdict(FORWARD), (r.Conntrack(("DNAT",)),)).write()


def express(intent: Intent, facts: Facts) -> Expressed:
    """What the node should hold; of other modes what lets their packets through FORWARD.

    Where iptables' FORWARD drops, no table of another tool's can accept: other modes have the jump
    where somebody uses iptables.
    The wanted variant is that of the node's plain ``iptables`` command; in the other one nothing
    is wanted.
    """
    mode = intent.settings.proxy_mode
    if not intent.wanted or mode is ProxyMode.NONE:
        return Expressed(wanted=MappingProxyType({}))
    variant = variant_of(facts)
    addresses = resolve(intent.settings, facts, intent.connection_host)
    every = (_shape(intent, family, variant) for family in Family)
    shapes = [shape for shape in every if _has_anything(intent, shape)]
    if mode is not ProxyMode.IPTABLES:
        shapes = [shape for shape in shapes if shape.family in facts.filtered]
    require_tools(facts, (FAMILY_WORDS[shape.family] for shape in shapes), intent.node_name)
    layers: list[Layer] = []
    for shape in shapes:
        place = _Place(variant, shape)
        if mode is ProxyMode.IPTABLES:
            layers += _family_layers(intent, place, addresses)
        else:
            layers += _forward_layers(intent, place, addresses)
    return Expressed(wanted=Layered(tuple(layers)))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where chains go, and their shape."""

    variant: Variant
    shape: Shape

    def layer(self, nat: Chains, filtered: Chains) -> Layer:
        family = FAMILY_WORDS[self.shape.family]
        return {
            address(self.variant, family, table, name): Chain(rules, is_canonical=True)
            for table, chains in (("nat", nat), ("filter", filtered))
            for name, rules in chains.items()
        }


#: With the nft variant chains cost most to load, with legacy matches do (docs/benchmarks.md).
_INLINE_LIMITS = {Variant.NFT: 16, Variant.LEGACY: 1}


def _shape(intent: Intent, family: Family, variant: Variant) -> Shape:
    settings = intent.settings
    return Shape(
        family=family,
        mark=settings.masquerade_mark,
        service_cidrs=tuple(c for c in settings.service_cidrs if family_of(c) is family),
        knows_pods=any(family_of(cidr) is family for cidr in settings.pod_cidrs),
        inline_limit=_INLINE_LIMITS[variant],
    )


def _has_anything(intent: Intent, shape: Shape) -> bool:
    return bool(
        shape.service_cidrs
        or any(family_of(a) is shape.family for a in intent.cluster_ips)
        or any(
            port.family is shape.family
            for group in (intent.common, intent.own)
            for port in group.ports
        )
    )


def _family_layers(intent: Intent, place: _Place, addresses: NodeAddresses) -> Iterator[Layer]:
    shape = place.shape
    common = common_chains(intent.common, stubs(intent.own, shape), intent.cluster_ips, shape)
    own = own_chains(intent, common, shape, addresses)
    yield _common_layer(common, place)
    yield _hairpin_layer(intent.hairpin, place)
    yield place.layer(own.nat, {**own.filter, **forward_chains(common, shape, addresses)})
    yield _jumps(own, place)


def _forward_layers(intent: Intent, place: _Place, addresses: NodeAddresses) -> Iterator[Layer]:
    """One jump, and the chains behind it."""
    shape = place.shape
    common = common_chains(intent.common, stubs(intent.own, shape), intent.cluster_ips, shape)
    yield place.layer({}, forward_chains(common, shape, addresses))
    where = address(place.variant, FAMILY_WORDS[shape.family], "filter", "FORWARD")
    yield {where: Jumps((_TO_FORWARD,))}


@lru_cache(maxsize=32)
def _common_layer(common: Common, place: _Place) -> Layer:
    return place.layer(common.nat, common.filter)


@lru_cache(maxsize=64)
def _hairpin_layer(hairpin: tuple[str, ...], place: _Place) -> Layer:
    return place.layer(hairpin_chains(hairpin, place.shape), {})


def _jumps(own: Own, place: _Place) -> Layer:
    """What leads from the built-in chains to ours."""
    services, check = _jump(SERVICES), _jump(CHECK, _NEW)
    hooks: dict[tuple[str, str], list[str]] = {
        ("nat", "PREROUTING"): [services],
        ("nat", "OUTPUT"): [services],
        ("nat", "POSTROUTING"): [_jump(POSTROUTING)],
        ("filter", "INPUT"): [check],
        ("filter", "FORWARD"): [check, _TO_FORWARD],
        ("filter", "OUTPUT"): [check],
    }
    if HEALTH in own.filter:
        hooks["filter", "INPUT"].append(r.Rule(r.Verdict(HEALTH), protocol="tcp").write())
    if LOCALHOST in own.filter:
        guard = r.Rule(r.Verdict(LOCALHOST), destination=LOOPBACK).write()
        hooks["filter", "INPUT"].insert(0, guard)
    family = FAMILY_WORDS[place.shape.family]
    return {
        address(place.variant, family, table, chain): Jumps(tuple(rules))
        for (table, chain), rules in hooks.items()
    }


def _jump(chain: str, *matches: r.Match) -> str:
    return r.Rule(r.Verdict(chain), matches).write()
