"""``--target`` changes what it names, and nothing else."""

from __future__ import annotations

import pytest

from svcform.engine.target import Narrower, TargetImpossible, Targets, service_name
from svcform.errors import UsageError
from svcform.model.node import Connection, Node
from svcform.model.service import NamespacedName, Service
from svcform.model.settings import Settings
from svcform.policy import table
from svcform.policy.intent import Intent, PortIntent
from tests.unit.engine.node import intent, port

NODE = Node(name="n1", connection=Connection(host="192.0.2.11"), settings=Settings(), plays=(0,))
SERVICES = {
    key: Service(key=key, labels=(("tier", tier),))
    for key, tier in {
        NamespacedName("shop", "cart"): "front",
        NamespacedName("shop", "web"): "front",
        NamespacedName("infra", "log"): "back",
    }.items()
}


def targets(*include: str, exclude: tuple[str, ...] = ()) -> Targets:
    return Targets(include=include, exclude=exclude, services=SERVICES)


def wish(*ports: PortIntent) -> Intent:
    return intent(NODE, *ports)


@pytest.mark.parametrize(
    ("include", "exclude", "chosen"),
    [
        ((), (), {"shop/cart", "shop/web", "infra/log"}),
        (("shop/*",), (), {"shop/cart", "shop/web"}),
        (("cart",), (), {"shop/cart"}),
        (("tier=front",), ("web",), {"shop/cart"}),
        ((), ("tier=front",), {"infra/log"}),
    ],
)
def test_patterns_are_names_globs_and_labels(
    include: tuple[str, ...], exclude: tuple[str, ...], chosen: set[str]
) -> None:
    found = targets(*include, exclude=exclude)
    assert {str(key) for key in SERVICES if found.has(str(key))} == chosen


def test_a_pattern_that_matches_nothing_is_a_mistake() -> None:
    with pytest.raises(UsageError, match="shop/cort"):
        targets("shop/cort").check(map(str, SERVICES))


def test_a_new_service_that_is_not_targeted_stays_away() -> None:
    narrowed = Narrower(targets("shop/cart")).narrow(
        wish(port("cart"), port("web", "10.96.0.11")), ()
    )
    assert [p.name for p in narrowed.common.ports] == ["shop/cart"]


def test_what_is_not_targeted_and_would_change_is_refused_by_name() -> None:
    recorded = table.rows(wish(port("cart"), port("web", "10.96.0.11")))
    changed = wish(port("cart"), port("web", "10.96.0.11", ("10.244.1.9",)))
    with pytest.raises(TargetImpossible, match="shop/web"):
        Narrower(targets("cart")).narrow(changed, recorded)
    gone = wish(port("cart"))
    with pytest.raises(TargetImpossible, match="shop/web"):
        Narrower(targets("cart")).narrow(gone, recorded)


def test_nodes_that_remember_the_same_share_what_is_left() -> None:
    narrower = Narrower(targets("shop/cart"))
    wanted = wish(port("cart"), port("web", "10.96.0.11"))
    first, second = narrower.narrow(wanted, ()), narrower.narrow(wanted, ())
    assert first.common is second.common


def test_destroy_with_a_target_takes_only_that() -> None:
    wanted = wish(port("cart"), port("web", "10.96.0.11"))
    recorded = table.rows(wanted)
    narrowed = Narrower(targets("cart"), destroy=True).narrow(wanted, recorded)
    assert {service_name(row) for row in table.rows(narrowed)} == {"shop/web"}
    assert not Narrower(targets(), destroy=True).narrow(wanted, recorded).wanted
