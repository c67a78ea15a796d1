"""The script that ends connections, on real ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from svcform.lang.conntrack import Kept, write
from svcform.model.net import Family, Protocol
from svcform.plan.services import ServiceRow
from svcform.plan.services_tsv import write_rows
from svcform.program.program import Phase, Step
from svcform.program.reading import shell_source
from tests.conformance.connections import NODE, Entry, Namespace, open_namespace

pytestmark = pytest.mark.root
V4, V6 = Family.IPV4, Family.IPV6
SERVICE, SERVICE6, FOREIGN = "10.96.0.53", "fd00:96::53", "198.51.100.9"
OLD, NEW, NEW6 = "10.244.1.5", "10.244.1.6", "fd00:244::6"


@pytest.fixture(params=["dash", "busybox"])
def namespace(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Namespace]:
    with open_namespace(tmp_path / "tools", request.param) as opened:
        yield opened


def end(namespace: Namespace, *table: Kept) -> None:
    command = ("sh", "-c", shell_source("connections.sh"))
    namespace.run(
        Step(
            backend="conntrack", phase=Phase.FORGET, summary="", command=command, stdin=write(table)
        )
    )


def survivors(namespace: Namespace, entries: list[Entry], *table: Kept) -> list[Entry]:
    namespace.inject(entries)
    end(namespace, *table)
    return namespace.survivors(entries)


def test_both_families_keep_their_own_endpoints(namespace: Namespace) -> None:
    kept = [Entry(SERVICE, 53, NEW, 5353), Entry(SERVICE6, 53, NEW6, 5353)]
    stale = [Entry(SERVICE, 53, NEW, 53), Entry(SERVICE6, 53, "fd00:244::5", 5353)]
    left = survivors(
        namespace,
        [*kept, *stale],
        Kept(destinations=((V4, SERVICE, 53),), endpoints=((NEW, 5353),)),
        Kept(destinations=((V6, SERVICE6, 53),), endpoints=((NEW6, 5353),)),
    )
    assert left == kept


def test_a_node_port_is_a_service_s_only_where_it_was_translated_or_is_the_node_s(
    namespace: Namespace,
) -> None:
    through = Entry(FOREIGN, 30053, FOREIGN, 30053)
    entries = [
        Entry(NODE, 30053, OLD, 5353),
        Entry(NODE, 30053, NODE, 30053),
        Entry("192.168.7.7", 30053, OLD, 5353),
        through,
    ]
    for endpoints in (((NEW, 5353),), ()):
        table = Kept(destinations=((V4, None, 30053),), endpoints=endpoints)
        assert survivors(namespace, entries, table) == [through]
        namespace.exec("conntrack", "-F")


def test_another_service_on_the_number_of_a_node_port_keeps_its_own(namespace: Namespace) -> None:
    own = Entry(SERVICE, 30053, NEW, 5353)
    left = survivors(
        namespace,
        [own, Entry(NODE, 30053, NEW, 5353)],
        Kept(destinations=((V4, SERVICE, 30053),), endpoints=((NEW, 5353),)),
        Kept(destinations=((V4, None, 30053),), endpoints=((OLD, 5353),)),
    )
    assert left == [own]


def test_destinations_share_what_stands_behind_them(namespace: Namespace) -> None:
    entries = [Entry(SERVICE, 53, NEW, 5353), Entry(FOREIGN, 53, NEW, 5353)]
    stale = [Entry(SERVICE, 53, OLD, 5353), Entry(FOREIGN, 53, OLD, 5353)]
    both = Kept(destinations=((V4, SERVICE, 53), (V4, FOREIGN, 53)), endpoints=((NEW, 5353),))
    assert survivors(namespace, [*entries, *stale], both) == entries


def test_nothing_is_kept_where_no_endpoint_serves(namespace: Namespace) -> None:
    tcp = Entry(SERVICE, 53, OLD, 5353, Protocol.TCP)
    entries = [tcp, *(Entry(SERVICE, 53, f"10.244.2.{n}", 5353) for n in range(1, 20))]
    assert survivors(namespace, entries, Kept(destinations=((V4, SERVICE, 53),))) == [tcp]


def test_rows_that_go_and_come_back_make_the_table(namespace: Namespace, tmp_path: Path) -> None:
    def row(name: str, *endpoints: str, notes: tuple[str, ...] = (), at: str = SERVICE) -> bytes:
        text = f"ClusterIP [{at}]:53" if ":" in at else f"ClusterIP {at}:53"
        family = "IPv6" if ":" in at else "IPv4"
        return write_rows([ServiceRow(name, "UDP", family, (text,), endpoints, notes)])

    same, drains = row("a/same", "10.9.9.9:53", at="10.96.0.7"), ("draining 10.244.1.5:5353",)
    left = same + row("a/moved", "10.244.9.9:5353") + row("a/six", "[fd00:244::5]:53", at=SERVICE6)
    (tmp_path / "left").write_bytes(left)
    back = row("a/owner", "10.244.1.6:5353", notes=drains)
    (tmp_path / "back").write_bytes(same + back + row("a/six", "[fd00:244::6]:53", at=SERVICE6))
    kept = [
        Entry(SERVICE, 53, NEW, 5353),
        Entry(SERVICE, 53, OLD, 5353),
        Entry(SERVICE6, 53, NEW6, 53),
        Entry("10.96.0.7", 53, OLD, 53),
    ]
    stale = [Entry(SERVICE, 53, "10.244.9.9", 5353), Entry(SERVICE6, 53, "fd00:244::5", 53)]
    namespace.inject([*kept, *stale])
    script = shell_source("connections.sh")
    files = (str(tmp_path / "left"), str(tmp_path / "back"))
    done = namespace.exec("sh", "-c", script, "connections", *files)
    assert (done.returncode, done.stderr) == (0, b"")
    assert namespace.survivors([*kept, *stale]) == kept


def test_a_node_without_connections_is_not_even_asked(namespace: Namespace) -> None:
    (namespace.tools / "conntrack").symlink_to("/bin/false")
    end(namespace, Kept(destinations=((V4, SERVICE, 53),)))
