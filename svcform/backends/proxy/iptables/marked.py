"""The constant rules of IPVS mode: marks lead packets to virtual services.

What becomes of a packet stands in sets of ipset's (:mod:`svcform.lang.ipset.names`), as the mark
that it gets (:mod:`svcform.policy.marks`).  No rule belongs to one Service.
"""

from __future__ import annotations

from collections.abc import Iterator

from svcform.backends.proxy.iptables.ports import Chains
from svcform.backends.proxy.iptables.shape import Shape
from svcform.lang.ipset.names import Set
from svcform.lang.iptables import rule as r
from svcform.policy import marks

_MARK = "SVCFORM-IPVS"
_UNMARK = "SVCFORM-IPVS-UNMARK"
_NEW = "SVCFORM-IPVS-NEW"
_FRONTEND = "SVCFORM-IPVS-FRONTEND"
_NODE_PORT = "SVCFORM-IPVS-NODEPORT"
_TAKEN = "SVCFORM-IPVS-TAKEN"
_SPREAD = "SVCFORM-IPVS-SPREAD"
_MASQUERADED = "SVCFORM-IPVS-HIDE"
_REFUSED = "SVCFORM-IPVS-REFUSE"
_CHECK = "SVCFORM-IPVS-CHECK"
_ACCEPT = "SVCFORM-IPVS-ACCEPT"
_POSTROUTING = "SVCFORM-IPVS-POSTROUTING"
_MASQUERADE = "SVCFORM-IPVS-MASQUERADE"

_ALL = 0xFFFFFFFF
_OURS = r.Mark(marks.FIRST, marks.OURS)
_OUR_CONNECTION = r.ConnectionMark(marks.FIRST, marks.OURS)
_IS_NEW = r.Conntrack(("NEW",))
_THERE, _FROM_THERE = "dst,dst", "dst,dst,src"


def marking_chains(shape: Shape) -> Chains:
    """The table mangle: the first packet of a connection is looked up, the others follow it.

    IPVS sends a packet on through OUTPUT.  There the mark has to go, before a change of the
    packet's destination in nat makes the kernel ask for its route anew, with the mark.
    """
    masquerade = shape.mark
    clear = r.Rule(r.SetMark(0, marks.FLAGS))
    return {
        _MARK: _written(
            r.Rule(r.Goto(_UNMARK), (_OURS,)),
            r.Rule(r.Goto(_NEW), (_IS_NEW,)),
            r.Rule(
                r.SetMark(marks.FIRST, _ALL),
                (_OUR_CONNECTION, r.Conntrack(direction="ORIGINAL")),
            ),
        ),
        _UNMARK: _written(r.Rule(r.SetMark(0, _ALL))),
        _NEW: _written(*_look_up(shape)),
        _FRONTEND: _written(*_inside(Set.INSIDE, shape)),
        _NODE_PORT: _written(*_inside(Set.INSIDE_NODE_PORTS, shape)),
        _TAKEN: _written(*_taken(shape)),
        _SPREAD: _written(r.Rule(r.SetConnectionMark(marks.FIRST, marks.OURS | masquerade)), clear),
        _MASQUERADED: _written(
            r.Rule(r.SetConnectionMark(marks.FIRST | masquerade, marks.OURS | masquerade)), clear
        ),
        _REFUSED: _written(r.Rule(r.SetMark(marks.REFUSED, _ALL))),
    }


def checking_chains(shape: Shape) -> Chains:
    """The table filter: what is refused, and that nobody else's rule keeps the rest out."""
    refused = r.Mark(marks.REFUSED, _ALL)
    cluster_ip = r.InSet(_name(Set.CLUSTER_IPS, shape), "dst")
    inside = r.InSet(_name(Set.SERVICE_CIDRS, shape), "dst")
    return {
        _ACCEPT: _written(r.Rule(r.ACCEPT)),
        _CHECK: _written(
            r.Rule(shape.reject, (refused,)),
            r.Rule(r.RETURN, (_OURS,)),
            r.Rule(shape.reject, (cluster_ip,)),
            r.Rule(r.DROP, (inside,)),
        ),
    }


def hiding_chains(shape: Shape) -> Chains:
    """The table nat: who is masqueraded."""
    hidden = r.ConnectionMark(marks.FIRST | shape.mark, marks.OURS | shape.mark)
    itself = r.InSet(_name(Set.HAIRPIN, shape), "src,dst")
    return {
        _POSTROUTING: _written(
            r.Rule(r.Goto(_MASQUERADE), (hidden,)),
            r.Rule(r.Goto(_MASQUERADE), (_OUR_CONNECTION, itself)),
        ),
        _MASQUERADE: _written(r.Rule(r.Masquerade())),
    }


def marked_jumps() -> dict[tuple[str, str], list[str]]:
    """What leads from the built-in chains to these."""
    mark = r.Rule(r.Verdict(_MARK)).write()
    accept = r.Rule(r.Verdict(_ACCEPT), (_OUR_CONNECTION,)).write()
    check = r.Rule(r.Verdict(_CHECK), (_IS_NEW,)).write()
    return {
        ("mangle", "PREROUTING"): [mark],
        ("mangle", "OUTPUT"): [mark],
        ("nat", "POSTROUTING"): [r.Rule(r.Verdict(_POSTROUTING)).write()],
        ("filter", "INPUT"): [accept, check],
        ("filter", "FORWARD"): [accept, check],
        ("filter", "OUTPUT"): [accept, check],
    }


def _look_up(shape: Shape) -> Iterator[r.Rule]:
    to_frontends = r.MapMark(_name(Set.FRONTENDS, shape), _THERE)
    here = r.InSet(_name(Set.NODE_PORT_ADDRESSES, shape), "dst")
    yield r.Rule(to_frontends)
    yield r.Rule(r.Goto(_FRONTEND), (_OURS,))
    yield r.Rule(r.MapMark(_name(Set.NODE_PORTS, shape), _THERE), (here,))
    yield r.Rule(r.Goto(_NODE_PORT), (_OURS,))


def _inside(wanted: Set, shape: Shape) -> Iterator[r.Rule]:
    """What the node and its own pods send may go elsewhere than what others do."""
    look_up = r.MapMark(_name(wanted, shape), _THERE)
    yield r.Rule(look_up, (_pod(shape),))
    yield r.Rule(look_up, (r.LocalSource(),))
    yield r.Rule(r.Goto(_TAKEN))


def _taken(shape: Shape) -> Iterator[r.Rule]:
    limited = r.Mark(marks.FIRST | marks.LIMITED, marks.OURS | marks.LIMITED)
    stranger = r.InSet(_name(Set.SOURCES, shape), _FROM_THERE, negated=True)
    verdict = marks.OURS | marks.TREATMENT | marks.LOCAL_LIST
    treatment = marks.OURS | marks.TREATMENT
    unless = r.Mark(marks.FIRST | marks.UNLESS_LOCAL_POD, treatment)
    always = r.Mark(marks.FIRST | marks.ALWAYS, treatment)
    yield r.Rule(r.DROP, (limited, stranger))
    yield r.Rule(r.DROP, (r.Mark(marks.FIRST | marks.DROP, verdict),))
    yield r.Rule(r.Goto(_REFUSED), (r.Mark(marks.FIRST | marks.REJECT, verdict),))
    yield r.Rule(r.Goto(_MASQUERADED), (unless, _pod(shape, negated=True)))
    yield r.Rule(r.Goto(_MASQUERADED), (always,))
    yield r.Rule(r.Goto(_SPREAD))


def _pod(shape: Shape, *, negated: bool = False) -> r.Match:
    return r.InSet(_name(Set.PODS, shape), "src", negated)


def _name(wanted: Set, shape: Shape) -> str:
    return wanted.name_in(shape.family)


def _written(*rules: r.Rule) -> tuple[str, ...]:
    return tuple(rule.write() for rule in rules)
