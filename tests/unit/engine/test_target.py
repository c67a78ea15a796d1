"""``--target`` and ``--exclude`` choose Services."""

from __future__ import annotations

import pytest

from svcform.engine.target import Targets
from svcform.errors import UsageError
from svcform.model.service import NamespacedName, Service

SERVICES = {
    key: Service(key=key, labels=(("tier", tier), ("app", key.name)))
    for key, tier in {
        NamespacedName("shop", "cart"): "front",
        NamespacedName("shop", "web"): "front",
        NamespacedName("infra", "log"): "back",
    }.items()
}


def targets(*include: str, exclude: tuple[str, ...] = ()) -> Targets:
    return Targets(include=include, exclude=exclude, services=SERVICES)


@pytest.mark.parametrize(
    ("include", "exclude", "chosen"),
    [
        ((), (), {"shop/cart", "shop/web", "infra/log"}),
        (("shop/*",), (), {"shop/cart", "shop/web"}),
        (("cart",), (), {"shop/cart"}),
        (("tier=front",), ("web",), {"shop/cart"}),
        (("tier=front,app=web",), (), {"shop/web"}),
        ((), ("tier=front",), {"infra/log"}),
    ],
)
def test_patterns_are_names_globs_and_labels(
    include: tuple[str, ...], exclude: tuple[str, ...], chosen: set[str]
) -> None:
    found = targets(*include, exclude=exclude)
    assert {str(key) for key in SERVICES if found.has(str(key))} == chosen


def test_patterns_that_match_nothing_are_mistakes_and_all_are_named() -> None:
    with pytest.raises(UsageError) as found:
        targets("shop/cort", "tier=fornt", exclude=("nobody",)).check(list(map(str, SERVICES)))
    assert str(found.value) == (
        "No Service matches 'shop/cort'; did you mean shop/cart? "
        "No Service in the manifests has the label 'tier=fornt'; did you mean tier=front? "
        "No Service matches 'nobody': `svcform get` lists their names."
    )
