"""One port of one Service: what stands at its frontends, and the chains behind them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from svcform.backends.proxy.iptables.addresses import contains
from svcform.backends.proxy.iptables.pools import (
    Heading,
    choices,
    is_inline,
    pool_chains,
    spread,
)
from svcform.backends.proxy.iptables.shape import Shape
from svcform.lang.iptables import rule as r
from svcform.lang.iptables.names import stable_name
from svcform.policy.intent import (
    Frontend,
    FrontendKind,
    Masquerade,
    Pool,
    PortIntent,
    Route,
    Source,
    Verdict,
)

Chains = dict[str, tuple[str, ...]]


class Entry(NamedTuple):
    """What stands at one frontend in nat and in filter; ``address`` is None for a node port."""

    address: str | None
    port: int
    protocol: str
    nat: tuple[str, ...]
    filter: tuple[str, ...]


class PortRules(NamedTuple):
    """The entries of a port, and its chains in nat and in filter."""

    entries: list[Entry]
    nat: Chains
    filter: Chains


def port_text(port: PortIntent) -> str:
    """What the names of a port's chains are made of."""
    return f"{port.name}/{port.protocol.value}/{port.family.value}"


def routes_chain(port: PortIntent, frontend: Frontend) -> str:
    """The chain with the routes of the port's frontends of this kind.

    Frontends of one kind have the same routes: clusterIPs follow the internal traffic policy, all
    others the external one.
    """
    inside = frontend.kind is FrontendKind.CLUSTER_IP
    return stable_name("SVCFORM-C-" if inside else "SVCFORM-E-", port_text(port))


def ranges_chain(port: PortIntent) -> str:
    """The chain that asks for the source before the routes of an address with source ranges."""
    return stable_name("SVCFORM-R-", port_text(port))


def common_rules(port: PortIntent, shape: Shape) -> PortRules:
    """A port that is the same on all nodes of a class, but for the chains of source ranges."""
    text, protocol = port_text(port), port.protocol.value.lower()
    pools = _Pools.of(port.frontends, text, shape)
    nat: Chains = dict(_pool_chains(pools, protocol, text, shape))
    filtered: Chains = {}
    entries = []
    for frontend in port.frontends:
        chain = routes_chain(port, frontend)
        if frontend.allowed_sources is not None or len(frontend.routes) > 1:
            nat[chain] = tuple(_routes(Heading(protocol), frontend.routes, pools, shape))
        if frontend.allowed_sources is not None:
            verdicts = tuple(_verdicts(Heading(protocol), frontend.routes, shape))
            if verdicts:
                filtered[chain] = verdicts
            entries.append(_limited_entry(port, frontend, shape, has_verdicts=bool(verdicts)))
        else:
            entries.append(_open_entry(frontend, chain, pools, shape))
    return PortRules(entries, nat, filtered)


def _limited_entry(
    port: PortIntent, frontend: Frontend, shape: Shape, *, has_verdicts: bool
) -> Entry:
    heading, ranges = entry_heading(frontend, shape), r.Goto(ranges_chain(port))
    refused = ranges if has_verdicts else r.DROP
    return _entry(frontend, (heading.rule(ranges),), (heading.rule(refused),))


def _open_entry(frontend: Frontend, chain: str, pools: _Pools, shape: Shape) -> Entry:
    heading = entry_heading(frontend, shape)
    verdicts = _leaf_verdicts(heading, frontend, shape)
    if len(frontend.routes) > 1:
        return _entry(frontend, (heading.rule(r.Goto(chain)),), verdicts)
    return _entry(frontend, tuple(_routes(heading, frontend.routes, pools, shape)), verdicts)


def stub_entries(port: PortIntent, shape: Shape) -> list[Entry]:
    """What all nodes of a class have at the frontends of a port that differs between them."""
    entries = []
    for frontend in port.frontends:
        limited = frontend.allowed_sources is not None
        chain = ranges_chain(port) if limited else routes_chain(port, frontend)
        jump = (entry_heading(frontend, shape).rule(r.Goto(chain)),)
        entries.append(_entry(frontend, jump, jump))
    return entries


def own_rules(port: PortIntent, shape: Shape) -> PortRules:
    """What one node has behind the entries of :func:`stub_entries`, but for source ranges."""
    text, protocol = port_text(port), port.protocol.value.lower()
    pools = _Pools.of({routes_chain(port, f): f for f in port.frontends}.values(), text, shape)
    nat: Chains = dict(_pool_chains(pools, protocol, text, shape))
    filtered: Chains = {}
    for frontend in port.frontends:
        chain = routes_chain(port, frontend)
        nat[chain] = tuple(_routes(Heading(protocol), frontend.routes, pools, shape))
        filtered[chain] = tuple(_verdicts(Heading(protocol), frontend.routes, shape))
    return PortRules([], nat, filtered)


def range_rules(
    port: PortIntent, shape: Shape, primary_address: str, *, is_own: bool
) -> tuple[Chains, Chains]:
    """The chains that ask for the source, in nat and filter; empty where nothing is limited."""
    limited = next((f for f in port.frontends if f.allowed_sources is not None), None)
    if limited is None:
        return {}, {}
    chain, jump = ranges_chain(port), r.Goto(routes_chain(port, limited))
    heading = Heading(port.protocol.value.lower())
    allowed = [
        heading.rule(jump, source=cidr) for cidr in _allowed(limited, shape, primary_address)
    ]
    has_verdicts = is_own or any(isinstance(route.to, Verdict) for route in limited.routes)
    dropping = {chain: (*allowed, heading.rule(r.DROP))} if has_verdicts else {}
    return {chain: tuple(allowed)}, dropping


def entry_heading(frontend: Frontend, shape: Shape) -> Heading:
    """What a packet to a frontend matches."""
    return Heading(
        frontend.protocol.value.lower(),
        (r.Port(frontend.port, frontend.port),),
        "" if frontend.address is None else shape.host(frontend.address),
    )


class _Pools(NamedTuple):
    """The names of a port's pools, and how often each is used."""

    names: dict[Pool, str]
    uses: Counter[Pool]

    @classmethod
    def of(cls, frontends: Iterable[Frontend], text: str, shape: Shape) -> _Pools:
        uses = Counter(
            route.to
            for frontend in frontends
            for route in frontend.routes
            if isinstance(route.to, Pool)
        )
        if len(uses) == 1 and is_inline(*next(iter(uses.items())), shape):
            return cls({}, uses)
        return cls(
            {pool: stable_name("SVCFORM-P-", text, str(i)) for i, pool in enumerate(uses)}, uses
        )


def _pool_chains(
    pools: _Pools, protocol: str, text: str, shape: Shape
) -> Iterator[tuple[str, tuple[str, ...]]]:
    for pool, uses in pools.uses.items():
        if not is_inline(pool, uses, shape):
            yield from pool_chains(pools.names[pool], pool, protocol, text, shape).items()


def _routes(
    heading: Heading, routes: tuple[Route, ...], pools: _Pools, shape: Shape
) -> Iterator[str]:
    for route in routes:
        if route.source is Source.LOCAL_POD and not shape.knows_pods:
            continue
        narrowed = _from(heading, route.source, shape)
        if isinstance(route.to, Verdict):
            if route.source is not Source.ANY:
                yield narrowed.rule(r.RETURN)
            continue
        yield from _masquerade(narrowed, route, shape)
        if is_inline(route.to, pools.uses[route.to], shape):
            yield from spread(narrowed, choices(route.to))
        else:
            yield narrowed.rule(r.Goto(pools.names[route.to]))


def _masquerade(heading: Heading, route: Route, shape: Shape) -> Iterator[str]:
    """Bring the mark from what it is on arrival to what the route wants."""
    if route.masquerade is Masquerade.ALWAYS:
        yield heading.rule(shape.set_mark)
    elif (
        route.masquerade is Masquerade.NEVER
        and shape.knows_pods
        and route.source is not Source.LOCAL_POD
    ):
        yield heading.rule(shape.clear_mark)


def _from(heading: Heading, source: Source, shape: Shape) -> Heading:
    if source is Source.ANY:
        return heading
    match: r.Match = r.LocalSource() if source is Source.NODE else shape.unmarked
    return heading._replace(matches=(*heading.matches, match))


def _verdicts(heading: Heading, routes: tuple[Route, ...], shape: Shape) -> Iterator[str]:
    """The rules for what nat has left as it was; who is a local pod isn't known by then."""
    for route in routes:
        if isinstance(route.to, Verdict) and route.source is not Source.LOCAL_POD:
            target = shape.reject if route.to is Verdict.REJECT else r.DROP
            yield _from(heading, route.source, shape).rule(target)


def _leaf_verdicts(heading: Heading, frontend: Frontend, shape: Shape) -> tuple[str, ...]:
    """As :func:`_verdicts`; a clusterIP rejects what no frontend takes, anyway."""
    if frontend.kind is FrontendKind.CLUSTER_IP and frontend.routes[0].to is Verdict.REJECT:
        return ()
    return tuple(_verdicts(heading, frontend.routes, shape))


def _allowed(frontend: Frontend, shape: Shape, primary_address: str) -> Iterator[str]:
    ranges = frontend.allowed_sources or ()
    yield from ranges
    if contains(ranges, primary_address):
        yield from (shape.host(address) for address in frontend.own_addresses)


def _entry(frontend: Frontend, nat: tuple[str, ...], filtered: tuple[str, ...]) -> Entry:
    return Entry(frontend.address, frontend.port, frontend.protocol.value.lower(), nat, filtered)
