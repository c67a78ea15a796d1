"""The sets and chains of one family: they depend on no Service, but for the sizes of lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from svcform.backends.proxy.nftables.ids import (
    FIRST,
    LIMITED,
    LOCAL_LIST,
    OURS,
    PORT_BITS,
    TREATMENT_BITS,
    Treatment,
)
from svcform.backends.proxy.nftables.objects import (
    AFFINITY,
    AFFINITY_PORT,
    ALLOWED,
    CLUSTER_IPS,
    ENDPOINTS,
    FRONTENDS,
    HAIRPIN,
    LIST_SIZES,
    NODE_PORT_ADDRESSES,
    NODE_PORTS,
    POD_CIDRS,
    SERVICE_CIDRS,
    STICKY,
    ChainObject,
    Declared,
)
from svcform.lang.nft import rule as r
from svcform.policy import marks

PROTOCOLS = ("tcp", "udp", "sctp")
_TRANSLATE, _EARLY, _LEARN = -100, -110, -90
#: While one mode becomes the other both have their rules: what IPVS takes is not translated.
_NOT_FOR_IPVS = r.Marked(marks.OURS, marks.FIRST)
_CHAINS = {
    Treatment.CLUSTER: "pick",
    Treatment.CLUSTER_UNLESS_LOCAL_POD: "pick-unless-local-pod",
    Treatment.CLUSTER_MASQUERADED: "pick-masqueraded",
    Treatment.EXTERNAL_LOCAL: "external-local",
    Treatment.LOCAL: "pick-local",
    Treatment.LOCAL_UNLESS_LOCAL_POD: "pick-local-unless-local-pod",
    Treatment.LOCAL_MASQUERADED: "pick-local-masqueraded",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What chains and sets depend on.

    ``family`` is ``ip`` or ``ip6``, ``mark`` the bit that means masquerade, ``sizes`` are those of
    the lists, ``timeouts`` those of the sticky ones.
    """

    family: str
    mark: int
    sizes: tuple[int, ...]
    timeouts: tuple[int, ...]
    affinity_entries: int

    @property
    def source(self) -> str:
        """The field of a packet's source."""
        return f"{self.family} saddr"

    @property
    def destination(self) -> str:
        """The field of a packet's destination."""
        return f"{self.family} daddr"

    @property
    def client(self) -> str:
        """The key of affinity: a client and a list.

        nft 1.0.6 aborts where a key or data that a rule updates has more than 16 bytes: of an IPv6
        address the last 96 bits have to do, and address and port are in maps of their own.
        """
        if self.family == "ip":
            return "ip saddr . meta priority"
        return "@nh,96,32 . @nh,128,32 . @nh,160,32 . meta priority"


def pick_chain(size: int) -> str:
    """The chain that picks one of so many endpoints."""
    return f"pick-{size}"


def endpoints_map(protocol: str) -> str:
    """The endpoints of all lists of a protocol."""
    return f"{protocol}{ENDPOINTS}"


def sticky_set(seconds: int) -> str:
    """The set of the endpoints of lists whose clients stay for so long."""
    return f"{STICKY}{seconds}"


@lru_cache(maxsize=64)
def sets(shape: Shape) -> dict[str, Declared]:
    """All sets and maps by name, without the elements of any."""
    source, destination = shape.source, shape.destination
    address = "ipv4_addr" if shape.family == "ip" else "ipv6_addr"
    found = {
        POD_CIDRS: Declared("set", ("flags interval", f"type {address}")),
        SERVICE_CIDRS: Declared("set", ("flags interval", f"type {address}")),
        NODE_PORT_ADDRESSES: Declared("set", (f"type {address}",)),
        CLUSTER_IPS: Declared("set", (f"type {address}",)),
        HAIRPIN: Declared("set", (f"typeof {source} . {destination}",)),
        ALLOWED: Declared("set", ("flags interval", f"typeof meta priority . {source}")),
        FRONTENDS: _map(f"{destination} . meta l4proto . th dport : meta priority"),
        NODE_PORTS: _map("meta l4proto . th dport : meta priority"),
        LIST_SIZES: _map("meta priority : verdict"),
    }
    for protocol in PROTOCOLS:
        # "typeof numgen" is listed as what nft can't read: a packet's length is a number, too.
        types = f"meta priority . meta length : {destination} . {protocol} dport"
        found[endpoints_map(protocol)] = _map(types)
    for seconds in shape.timeouts:
        found[sticky_set(seconds)] = Declared(
            "set", (f"typeof meta priority . {destination} . th dport",)
        )
    return found | (_affinity(shape) if shape.timeouts else {})


def _map(types: str) -> Declared:
    return Declared("map", (f"typeof {types}",))


def _affinity(shape: Shape) -> dict[str, Declared]:
    rest = ("flags dynamic,timeout", f"size {shape.affinity_entries}")
    client = "ip saddr" if shape.family == "ip" else " . ".join(["meta length"] * 3)
    key = f"typeof {client} . meta priority"
    return {
        AFFINITY: Declared("map", (*rest, f"{key} : {shape.destination}")),
        AFFINITY_PORT: Declared("map", (*rest, f"{key} : th dport")),
    }


@lru_cache(maxsize=64)
def chains(shape: Shape) -> dict[str, ChainObject]:
    """All chains by name."""
    found = {
        **_hooks(),
        **_look_up(shape),
        **_picks(shape),
        "postrouting": _postrouting(shape),
        "check": _check(shape),
        "chosen": _chain(*_chosen(shape)),
        "learn": _chain(*_learn(shape)),
    }
    for size in shape.sizes:
        key = f"meta priority . numgen random mod {size}"
        found[pick_chain(size)] = _chain(
            *(
                (r.Over(protocol), r.Dnat(shape.family, key, endpoints_map(protocol)))
                for protocol in PROTOCOLS
            )
        )
    return found


def _chain(*rules: r.Rule) -> ChainObject:
    return ChainObject("", tuple(map(r.write, rules)))


def _hooked(kind: str, hook: str, priority: int, *rules: r.Rule) -> ChainObject:
    return ChainObject(f"type {kind} hook {hook} priority {priority}", tuple(map(r.write, rules)))


def _hooks() -> dict[str, ChainObject]:
    ours = r.Priority(OURS, FIRST)
    found = {}
    for hook in ("prerouting", "output"):
        early: r.Rule = (r.New(), _NOT_FOR_IPVS, r.Goto("look-up"))
        found[f"early-{hook}"] = _hooked("filter", hook, _EARLY, early)
        found[f"nat-{hook}"] = _hooked("nat", hook, _TRANSLATE, (ours, r.Goto("services")))
        learn: r.Rule = (r.New(), ours, r.Goto("learn"))
        found[f"learn-{hook}"] = _hooked("filter", hook, _LEARN, learn)
    check: r.Rule = (r.New(), _NOT_FOR_IPVS, r.Goto("check"))
    for hook in ("input", "forward", "output"):
        found[f"filter-{hook}"] = _hooked("filter", hook, 0, check)
    return found


def _look_up(shape: Shape) -> dict[str, ChainObject]:
    key = f"{shape.destination} . meta l4proto . th dport"
    here = r.In(shape.destination, NODE_PORT_ADDRESSES)
    choices = tuple((treatment.value, chain) for treatment, chain in _CHAINS.items())
    return {
        "look-up": _chain(
            (r.LookUpPriority(key, FRONTENDS), r.Goto("frontend")),
            (here, r.LookUpPriority("meta l4proto . th dport", NODE_PORTS), r.Goto("frontend")),
        ),
        "frontend": _chain(
            (r.Priority(LIMITED, LIMITED), r.Jump("source-ranges")),
            (r.Priority(TREATMENT_BITS, Treatment.REJECT), r.Reject()),
        ),
        "source-ranges": _chain(
            (r.In(f"meta priority . {shape.source}", ALLOWED), r.Verdict("return")),
            (r.Verdict("drop"),),
        ),
        "services": _chain(
            (r.SetMark(shape.mark, on=False),), (r.Choose(TREATMENT_BITS, choices),)
        ),
    }


def _picks(shape: Shape) -> dict[str, ChainObject]:
    found = {}
    mark = (r.SetMark(shape.mark, on=True),)
    pod = r.In(shape.source, POD_CIDRS)
    no_pod = r.In(shape.source, POD_CIDRS, negated=True)
    for chain, bits in (("pick", 0), ("pick-local", LOCAL_LIST)):
        found[chain] = _chain((r.SetPriority(PORT_BITS, bits), r.Goto("chosen")))
        found[f"{chain}-masqueraded"] = _chain(mark, (r.Goto(chain),))
        found[f"{chain}-unless-local-pod"] = _chain((no_pod, *mark), (r.Goto(chain),))
    found["external-local"] = _chain(
        (pod, r.Goto("pick")),
        (r.FromHere(), r.Goto("pick-masqueraded")),
        (r.Goto("pick-local"),),
    )
    return {**found}


def _chosen(shape: Shape) -> Iterator[r.Rule]:
    if shape.timeouts:
        yield (r.Transport(), r.Dnat("", shape.client, AFFINITY, AFFINITY_PORT))
    # Two look-ups of one packet can meet a commit between them: the size of a list and its
    # endpoints then don't fit, the chain comes back, and the second try has both anew.
    yield (r.Dispatch(LIST_SIZES),)
    yield (r.Dispatch(LIST_SIZES),)
    yield (r.Verdict("drop"),)


def _learn(shape: Shape) -> Iterator[r.Rule]:
    """A client stays at an endpoint with both lists that have it."""
    for bits in (0, LOCAL_LIST) if shape.timeouts else ():
        yield (r.SetPriority(PORT_BITS, bits),)
        for seconds in shape.timeouts:
            member = r.In(f"meta priority . {shape.destination} . th dport", sticky_set(seconds))
            yield (member, r.Transport(), *_updates(shape, seconds))
    yield (r.SetPriority(0, 0),)


def _updates(shape: Shape, seconds: int) -> Iterable[r.Statement]:
    yield r.Update(AFFINITY, shape.client, seconds, shape.destination)
    yield r.Update(AFFINITY_PORT, shape.client, seconds, "th dport")


def _postrouting(shape: Shape) -> ChainObject:
    itself = r.In(f"{shape.source} . {shape.destination}", HAIRPIN)
    clear = r.SetMark(shape.mark, on=False)
    return _hooked(
        "nat",
        "postrouting",
        100,
        (r.Marked(shape.mark), r.Translated(), clear, r.Masquerade()),
        (r.Translated(), itself, r.Masquerade()),
    )


def _check(shape: Shape) -> ChainObject:
    return _chain(
        (r.Translated(), r.Verdict("return")),
        (r.In(shape.destination, CLUSTER_IPS), r.Reject()),
        (r.In(shape.destination, SERVICE_CIDRS), r.Verdict("drop")),
    )
