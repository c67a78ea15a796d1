"""A name is there only while its Service is: it comes behind it, and goes before it."""

from __future__ import annotations

import threading
import time
from typing import Self

import pytest

from tests.coredns.site import MORE, Site

pytestmark = pytest.mark.root
NAME = "more.default.svc.cluster.local."
ADDRESS = "10.96.0.99"
TTL = 8


class Watch:
    """Asks for the name and then for its Service, over and over."""

    def __init__(self, site: Site) -> None:
        self._site, self._over = site, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        #: When it was asked, whether the name was there, and whether the Service answered then.
        self.seen: list[tuple[float, bool, bool]] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.is_set():
            # Before and behind: on a busy machine much can happen between two questions.
            when, before = time.monotonic(), self._is_served()
            named = ADDRESS in self._site.dig("+short", NAME)
            self.seen.append((when, named, before or self._is_served()))
            time.sleep(0.1)

    def _is_served(self) -> bool:
        talk = f"exec 3<>/dev/tcp/{ADDRESS}/80 && echo who? >&3 && head -n 1 <&3"
        return "endpoint=e" in self._site.on("n1", f"timeout 3 bash -c '{talk}'")

    def states(self) -> set[tuple[bool, bool]]:
        """The different pairs of both."""
        return {(named, served) for _, named, served in self.seen}

    def until(self, *state: bool) -> None:
        """Wait until both are so."""
        limit = time.monotonic() + 90
        while self.seen[-1:] == [] or self.seen[-1][1:] != state:
            assert time.monotonic() < limit, self.seen[-3:]
            time.sleep(0.05)


def settings(mode: str) -> dict[str, object]:
    return {"dns_ttl": TTL, "dns_ttl_wait": True, "proxy_mode": mode}


@pytest.mark.parametrize("mode", ["iptables", "nftables"])
def test_a_name_comes_behind_its_service_and_goes_a_ttl_before_it(site: Site, mode: str):
    site.write(**settings(mode))
    site.applied("--allow-deletions")
    with Watch(site) as watch:
        site.write(MORE.format(address=ADDRESS), **settings(mode))
        site.applied()
        watch.until(True, True)

        site.write(**settings(mode))
        planned = " ".join(site.plan().split())
        assert "n1, n2: notice SVC465 The apply waits On the node it waits" in planned
        assert f"{TTL} s, coredns: others forget the names that went" in planned
        site.applied()
        watch.until(False, False)

    assert watch.states() == {(False, False), (False, True), (True, True)}
    last_named = max(when for when, named, _ in watch.seen if named)
    last_served = max(when for when, _, served in watch.seen if served)
    assert last_served - last_named > TTL / 2


def test_a_wait_whose_controller_is_killed_ends_in_the_state_of_before(site: Site):
    site.write(MORE.format(address=ADDRESS), **settings("iptables"))
    site.applied()
    site.write(**settings("iptables"))
    with Watch(site) as watch:
        applying = site.project.start("apply", "--auto-approve", "--confirm-timeout", "40")
        watch.until(False, True)
        applying.kill()
        applying.communicate()
        watch.until(False, False)
        watch.until(True, True)

    assert (True, False) not in watch.states()
    assert f"- {NAME} A" in " ".join(site.plan().split())
