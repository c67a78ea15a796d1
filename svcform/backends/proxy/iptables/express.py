"""Intent and facts in, the wanted chains out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from svcform.backends.contract import Expressed
from svcform.backends.proxy.iptables.common import Common, common_chains, stubs
from svcform.backends.proxy.iptables.forward import FORWARD, forward_chains
from svcform.backends.proxy.iptables.marked import (
    checking_chains,
    hiding_chains,
    marked_jumps,
    marking_chains,
)
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
from svcform.policy.proxied import catches_by_nft, proxy_addresses, redirected

Layer = Mapping[ObjectAddress, NodeObject]
#: Lets in what was sent to the node's proxy, whatever others' rules in INPUT say.
PROXY = "SVCFORM-PROXY"
_NEW = r.Conntrack(("NEW",))
_TO_FORWARD = r.Rule(r.Verdict(FORWARD), (r.Conntrack(("DNAT",)),)).write()


def express(intent: Intent, facts: Facts) -> Expressed:
    """What the node should hold; of other modes what lets their packets through FORWARD.

    In userspace mode these rules lead to the proxy's sockets; in IPVS mode they give packets marks.

    Where iptables' FORWARD drops, no table of another tool's can accept: other modes have the jump
    where somebody uses iptables.
    The wanted variant is that of the node's plain ``iptables`` command; in the other one nothing
    is wanted.
    """
    mode = intent.settings.proxy_mode
    if not intent.wanted or mode is ProxyMode.NONE:
        return Expressed(wanted=MappingProxyType({}))
    is_carrying = mode is ProxyMode.IPTABLES
    if mode is ProxyMode.USERSPACE and not catches_by_nft(facts):
        is_carrying, intent = True, redirected(intent)
    variant = variant_of(facts)
    addresses = resolve(intent.settings, facts, intent.connection_host)
    every = (_shape(intent, family, variant) for family in Family)
    shapes = [shape for shape in every if _has_anything(intent, shape)]
    is_marking = mode is ProxyMode.IPVS
    if not is_carrying and not is_marking:
        shapes = [shape for shape in shapes if shape.family in facts.filtered]
    require_tools(facts, (FAMILY_WORDS[shape.family] for shape in shapes), intent.node_name)
    layers: list[Layer] = []
    for shape in shapes:
        place = _Place(variant, shape)
        if is_carrying:
            layers += _family_layers(intent, place, addresses)
        elif is_marking:
            layers += _marking_layers(place)
        else:
            layers += _forward_layers(intent, place, addresses)
    return Expressed(wanted=Layered(tuple(layers)))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where chains go, and their shape."""

    variant: Variant
    shape: Shape

    def layer(self, nat: Chains, filtered: Chains, mangle: Chains | None = None) -> Layer:
        family = FAMILY_WORDS[self.shape.family]
        return {
            address(self.variant, family, table, name): Chain(rules, is_canonical=True)
            for table, chains in (("nat", nat), ("filter", filtered), ("mangle", mangle or {}))
            for name, rules in chains.items()
        }

    def jumps(self, hooks: Mapping[tuple[str, str], list[str]]) -> Layer:
        """Our rules in built-in chains."""
        family = FAMILY_WORDS[self.shape.family]
        return {
            address(self.variant, family, table, chain): Jumps(tuple(rules))
            for (table, chain), rules in hooks.items()
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
    proxy = next((a for a in proxy_addresses(intent) if family_of(a) is shape.family), "")
    to_filter = forward_chains(common, shape, addresses)
    if proxy:
        to_filter[PROXY] = (r.Rule(r.ACCEPT).write(),)
    yield place.layer(own.nat, {**own.filter, **to_filter})
    yield _jumps(own, place, shape.host(proxy) if proxy else "")


def _forward_layers(intent: Intent, place: _Place, addresses: NodeAddresses) -> Iterator[Layer]:
    """One jump, and the chains behind it."""
    shape = place.shape
    common = common_chains(intent.common, stubs(intent.own, shape), intent.cluster_ips, shape)
    yield place.layer({}, forward_chains(common, shape, addresses))
    where = address(place.variant, FAMILY_WORDS[shape.family], "filter", "FORWARD")
    yield {where: Jumps((_TO_FORWARD,))}


@lru_cache(maxsize=16)
def _marking_layers(place: _Place) -> tuple[Layer, ...]:
    """The rules that lead packets to IPVS: all of them, whatever Services there are."""
    shape = place.shape
    chains = place.layer(hiding_chains(shape), checking_chains(shape), marking_chains(shape))
    return chains, place.jumps(marked_jumps())


@lru_cache(maxsize=32)
def _common_layer(common: Common, place: _Place) -> Layer:
    return place.layer(common.nat, common.filter)


@lru_cache(maxsize=64)
def _hairpin_layer(hairpin: tuple[str, ...], place: _Place) -> Layer:
    return place.layer(hairpin_chains(hairpin, place.shape), {})


def _jumps(own: Own, place: _Place, proxy: str) -> Layer:
    """What leads from the built-in chains to ours; packets to a proxy are let in.

    They are never forwarded, but those of connections from before a change of the mode are.
    """
    services, check = _jump(SERVICES), _jump(CHECK, _NEW)
    hooks: dict[tuple[str, str], list[str]] = {
        ("nat", "PREROUTING"): [services],
        ("nat", "OUTPUT"): [services],
        ("nat", "POSTROUTING"): [_jump(POSTROUTING)],
        ("filter", "INPUT"): [check],
        ("filter", "FORWARD"): [check, _TO_FORWARD],
        ("filter", "OUTPUT"): [check],
    }
    if proxy:
        translated = r.Conntrack(("DNAT",))
        let_in = r.Rule(r.Verdict(PROXY), (translated,), destination=proxy).write()
        hooks["filter", "INPUT"].append(let_in)
    if HEALTH in own.filter:
        hooks["filter", "INPUT"].append(r.Rule(r.Verdict(HEALTH), protocol="tcp").write())
    if LOCALHOST in own.filter:
        guard = r.Rule(r.Verdict(LOCALHOST), destination=LOOPBACK).write()
        hooks["filter", "INPUT"].insert(0, guard)
    return place.jumps(hooks)


def _jump(chain: str, *matches: r.Match) -> str:
    return r.Rule(r.Verdict(chain), matches).write()
