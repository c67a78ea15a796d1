"""A plan reads as what it means."""

from __future__ import annotations

from svcform.diagnostics import Diagnostic, Severity
from svcform.program.layout import LAYOUT
from svcform.views.plan_text import plan_text
from svcform.views.text import Palette
from tests.unit.views.plans import change, node, plan, problem, row


def text(*nodes, rules=False, **options):
    return plan_text(plan(*nodes, **options), "d1gest", Palette(), rules=rules)


def test_a_new_service_shows_frontends_and_how_many_endpoints():
    shown = text(node("edge-1", (None, row(endpoints=("a:1", "b:1", "c:1")))))

    assert "+ default/web:http TCP  ClusterIP 10.96.0.17:80 -> 3 endpoints" in shown
    assert "Plan: 1 to add, 0 to change, 0 to remove on 1 node.\nDigest: d1gest\n" in shown


def test_a_lost_endpoint_is_named():
    before = row("shop/cart:http", ("10.244.1.6:8080", "10.244.1.7:8080"))
    after = row("shop/cart:http", ("10.244.1.6:8080",))

    assert "~ shop/cart:http TCP  loses 10.244.1.7:8080\n" in text(node("n", (before, after)))


def test_the_last_lost_endpoint_says_that_none_is_left():
    shown = text(node("n", (row(), row(endpoints=()))))

    assert "loses 10.244.1.5:80; no endpoint is left" in shown


def test_a_moved_address_is_a_renumbering():
    moved = row(frontends=("ClusterIP 10.96.0.99:80",))

    assert "renumbered ClusterIP 10.96.0.17:80 -> 10.96.0.99:80" in text(node("n", (row(), moved)))


def test_a_new_node_port_opens():
    both = row(frontends=("ClusterIP 10.96.0.17:80", "NodePort :30080"))

    assert "~ default/web:http TCP  opens NodePort :30080\n" in text(node("n", (row(), both)))
    assert "closes NodePort :30080" in text(node("n", (both, row())))


def test_notes_that_come_and_go_are_said():
    sticky = row(notes=("affinity 10800s",))

    assert "now affinity 10800s" in text(node("n", (row(), sticky)))
    assert "no longer affinity 10800s" in text(node("n", (sticky, row())))


def records(count):
    return tuple(
        change(
            f"cluster.local. web-{i}.shop.svc.cluster.local. A",
            None,
            (f"web-{i}.shop.svc.cluster.local. 5 IN A 10.96.{i // 250}.{i % 250}",),
            "coredns",
        )
        for i in range(count)
    )


def test_so_many_records_that_nobody_reads_them_are_counted():
    few = text(node("n", changes=records(100)))
    many = text(node("n", changes=records(10_000)))

    assert few.count(".shop.svc.cluster.local. A 10.96.") == 100
    names = ", ".join(f"web-{i}.shop.svc.cluster.local." for i in (0, 1, 10))
    assert f"  + 10,000 A in cluster.local.  {names} and 9997 more\n" in many
    assert "Plan: 10000 to add, 0 to change, 0 to remove on 1 node.\n" in many
    assert len(many.splitlines()) < 10
    assert "web-77.shop" in text(node("n", changes=records(10_000)), rules=True)


def empty_zone(number, action="+"):
    zone = f"{number}.10.in-addr.arpa."
    records = (
        (zone, "SOA", f"ns.dns.{zone} hostmaster.{zone}"),
        (zone, "NS", "ns.cluster.local."),
        (f"_nodata.{zone}", "TXT", '""'),
    )
    for name, kind, rdata in records:
        lines = (f"{name} 5 IN {kind} {rdata}",)
        before, after = (None, lines) if action == "+" else (lines, None)
        yield change(f"{zone} {name} {kind}", before, after, "coredns")


def pointer(zone):
    line = (f"1.0.{zone} 5 IN PTR web.shop.svc.cluster.local.",)
    return change(f"{zone} 1.0.{zone} PTR", None, line, "coredns")


def test_zones_that_come_and_hold_nothing_are_one_line():
    used = pointer("10.10.in-addr.arpa.")
    empty = [record for n in range(11, 26) for record in empty_zone(n)]
    shown = text(node("n", changes=(used, *records(3), *empty)))

    names = "11.10.in-addr.arpa., 12.10.in-addr.arpa., 13.10.in-addr.arpa. and 12 more"
    assert "+ 15 zones that hold nothing" in shown
    assert shown.count(names) == 1
    assert shown.count("arpa.") == 3 + 1, "only the zone that has something is shown besides"
    assert "Plan: 49 to add" in shown
    gone = [record for n in range(97, 99) for record in empty_zone(n, "-")]
    assert "- 2 zones that hold nothing" in text(node("n", changes=gone))


def test_zones_that_hold_something_or_change_are_shown_whole():
    filled = [*empty_zone(97), pointer("97.10.in-addr.arpa.")]
    left = [*list(empty_zone(98, "-"))[2:], pointer("98.10.in-addr.arpa.")]

    shown = text(node("n", changes=(*filled, *left, *empty_zone(99))))

    assert "hold nothing" not in shown
    assert shown.count(" PTR web.shop") == 2
    assert shown.count("\n  + 99.10") + shown.count("\n  + _nodata.99.10") == 3


def test_a_thousand_equal_nodes_are_shown_once():
    nodes = [node(f"edge-{i:04}", (None, row())) for i in range(1000)]

    shown = text(*nodes, node("odd", (row(), None)))

    assert shown.count("+ default/web:http") == 1
    assert "edge-0000, edge-0001, edge-0002, edge-0003 and 996 more (1000 nodes)" in shown
    assert len(shown.splitlines()) < 12


def test_one_service_on_many_nodes_counts_once():
    nodes = [node(f"edge-{i}", (None, row())) for i in range(5)]

    assert "Plan: 1 to add, 0 to change, 0 to remove on 5 nodes." in text(*nodes)


def test_both_families_of_a_port_count_as_one():
    six = row(family="IPv6", frontends=("ClusterIP [fd00::17]:80",))

    shown = text(node("n", (None, row()), (None, six)))

    assert "+ default/web:http TCP (IPv6)  ClusterIP [fd00::17]:80" in shown
    assert "Plan: 1 to add" in shown


def test_a_host_setting_shows_both_values_and_comes_first():
    host = change("sysctl x", ("x = 0",), ("x = 1",), backend="host")

    lines = text(node("n", (None, row()), changes=(host,))).splitlines()

    assert lines[1].split() == ["~", "host", "sysctl", "x", "=", "0", "->", "x", "=", "1"]


UNITS = ("svcform.service", "svcform-late.service", "svcform-after-ufw.service")


def units(names, before, after):
    return tuple(change(f"unit {name}", before, after, backend="host") for name in names)


def test_boot_units_are_one_line_that_says_what_they_are_for():
    come = node("edge-1", changes=units(UNITS, (), ("x",)))
    text = plan_text(plan(come), "0", Palette())
    what = "bring Services back after a reboot or a firewall's restart"
    assert f"  + host boot units (3)  {what}\nPlan: 1 to add" in text.replace("\n\n", "\n")
    go = node("edge-1", changes=units(UNITS[:2], ("x",), ()))
    text = plan_text(plan(go), "0", Palette(), rules=True)
    assert "  - host boot units (2)  bring Services back after a reboot\n" in text
    assert "  host unit svcform-late.service\n    - x\n" in text


def test_of_boot_units_that_somebody_changed_the_names_are_said():
    changes = (*units(UNITS[:1], ("x",), ("y",)), *units(UNITS[2:], (), ("z",)))
    text = plan_text(plan(node("edge-1", changes=changes)), "0", Palette())
    assert "  ~ host boot units (1)  svcform.service\n" in text
    assert "  + host boot units (1)  svcform-after-ufw.service\n" in text


def test_drift_is_told_from_changes():
    broken = change("nat SVCFORM-X", ("-A a",), ("-A b",))
    gone = change("nat SVCFORM-Y", None, ("-A c",))

    shown = text(node("n", changes=(broken, gone), drift=(broken.address, gone.address)))

    assert "~ iptables nat SVCFORM-X  was changed by somebody else: put back" in shown
    assert "+ iptables nat SVCFORM-Y  is missing on the node: put back" in shown


def test_objects_that_change_without_a_service_say_so():
    shown = text(node("n", changes=(change("nat X", ("-A a",), ("-A b",)),)))

    assert "~ iptables  1 object rewritten, no change in meaning" in shown


def test_a_change_of_mode_is_one_line_also_beside_a_change_of_a_service():
    changes = (
        change("ip nat SVCFORM-X", ("-A a",), None),
        change("ip services x", None, ("x : y",), backend="nftables"),
        change("sysctl net.ipv4.x", ("a",), ("b",), backend="host"),
    )
    for services in ((), ((row(), row(endpoints=())),)):
        shown = text(node("n", *services, changes=changes))
        assert ["~", "proxy", "mode", "iptables", "->", "nftables"] in map(
            str.split, shown.splitlines()
        )
        assert "rewritten" not in shown


def test_rules_are_shown_only_on_request():
    changed = change("nat SVCFORM-X", ("-A old", "-A same"), ("-A new", "-A same"))
    of_node = node("n", (row(), row(endpoints=())), changes=(changed,))

    assert "-A old" not in text(of_node)
    shown = text(of_node, rules=True)
    assert "    - -A old\n" in shown
    assert "    + -A new\n" in shown


def test_no_changes_is_said_in_as_many_words():
    assert text(node("a"), node("b")).startswith("No changes. 2 nodes are as described.\n")


def test_a_node_without_a_plan_speaks_in_its_own_words():
    shown = text(node("a", (None, row())), problem("edge-2"))

    assert "edge-2: no plan\n    edge-2 does not answer.\n    Start it.\n" in shown
    assert "1 node has no plan (see above)." in shown


def test_refusals_are_part_of_the_plan():
    refusal = Diagnostic("SVC501", Severity.ERROR, "too much goes", "30 % of the Services go.")

    shown = text(node("a", (row(), None)), refusals=(refusal,))

    assert "error SVC501 too much goes\n    30 % of the Services go.\n" in shown
    assert "This plan is refused as it stands" in shown


def test_the_same_finding_on_many_nodes_is_shown_once():
    def noticed(name):
        said = Diagnostic("SVC458", Severity.NOTICE, "it stays", f"It stays on at {name}: see.")
        return node(name, (row(), None), diagnostics=(said,))

    shown = text(*(noticed(f"edge-{i}") for i in range(3)))

    assert "edge-0, edge-1, edge-2: notice SVC458 it stays\n    It stays on at the node:" in shown
    assert shown.count("SVC458") == 1


def test_an_older_layout_is_a_line_of_its_own():
    lines = text(node("n", project="0123", layout=LAYOUT - 1, claims=True)).splitlines()

    assert f"  ~ layout  {LAYOUT - 1} -> {LAYOUT}, no change in meaning" in lines


def test_forwarding_is_not_said_to_be_switched_off():
    host = change("sysctl net.ipv4.ip_forward", ("net.ipv4.ip_forward = 1",), None, backend="host")

    said = text(node("n", changes=(host,), absent=True))

    assert "net.ipv4.ip_forward is svcform's no more, and stays on" in said
    assert "= 1" not in said


def test_hostile_names_reach_the_terminal_harmless():
    evil = row("default/\x1b[31mweb", endpoints=("\x07:1",))

    shown = text(node("n\x1b]0;x\x07", (None, evil), (row("a/b", ("x:1",)), evil)))

    assert "\x1b" not in shown
    assert "\x07" not in shown


def test_colour_marks_the_signs():
    shown = plan_text(plan(node("n", (None, row()))), "d", Palette(colour=True))

    assert "\x1b[32m+\x1b[0m default/web:http" in shown
