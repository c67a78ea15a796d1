"""Services, outcomes and findings as a person sees them."""

from __future__ import annotations

from svcform.diagnostics import Diagnostic, Location, Origin, Severity
from svcform.views.diagnostics import human, tally
from svcform.views.outcomes import NodeResult, outcomes_text
from svcform.views.services import services_json, services_text
from svcform.views.text import Palette
from tests.unit.views.plans import row

BOTH = ("ClusterIP 10.96.0.17:80", "NodePort :30080")


def test_services_are_listed_as_kubectl_does():
    table = services_text({"a": (row(frontends=BOTH),), "b": (row(frontends=BOTH),)})

    head, line = table.splitlines()
    assert head.split() == [
        "NAMESPACE", "NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "ENDPOINTS", "NODES",
    ]  # fmt: skip
    assert line.split() == [
        "default", "web", "NodePort", "10.96.0.17", "<none>", "80:30080/TCP", "10.244.1.5:80", "2",
    ]  # fmt: skip


def test_ports_and_families_of_a_service_share_its_line():
    six = row("default/web:dns", family="IPv6", frontends=("ClusterIP [fd00::17]:53",))

    (service,) = services_json({"a": (row(), six)})

    assert service["cluster_ips"] == ["10.96.0.17", "fd00::17"]
    assert service["ports"] == ["80/TCP", "53/TCP"]


def test_a_load_balancer_address_is_external():
    frontends = ("ClusterIP 10.96.0.17:80", "LoadBalancer 203.0.113.9:80")

    (service,) = services_json({"a": (row(frontends=frontends),)})

    assert service["type"] == "LoadBalancer"
    assert service["external_ips"] == ["203.0.113.9"]


def test_no_service_is_a_sentence():
    assert services_text({"a": ()}) == "No Services.\n"


def test_failed_nodes_speak_and_the_others_are_counted():
    results = [NodeResult(node=f"n{i}", word="applied", failed=False) for i in range(9)]
    moved = tuple(f"chain {i}" for i in range(12))
    results.append(
        NodeResult(
            node="n9",
            word="stale",
            failed=True,
            detail="It moved.",
            remedy="Plan again.",
            moved=moved,
        )
    )

    shown = outcomes_text(results, Palette())

    assert "n9: stale\n    It moved.\n    Plan again.\n" in shown
    assert "    moved: chain 9\n    moved: and 2 more\n" in shown
    assert "applied: n0, n1, n2, n3 and 5 more (9 nodes)\n" in shown


def finding(severity, where, code="SVC201"):
    return Diagnostic(code, severity, "a summary", "Say \x1b[31mthis.", where)


def test_findings_are_sorted_by_place_and_what_has_none_comes_last():
    late = finding(Severity.ERROR, Location("b.yml", 2, 1))
    early = finding(Severity.WARNING, Location("a.yml", 10, 3))
    nowhere = finding(Severity.ERROR, None)

    shown = human([nowhere, late, early], Palette())

    assert [line for line in shown.splitlines() if not line.startswith(" ")] == [
        "a.yml:10:3: warning SVC201 a summary",
        "b.yml:2:1: error SVC201 a summary",
        "error SVC201 a summary",
    ]
    assert "    Say \\x1b[31mthis.\n" in shown


def test_notices_are_for_those_who_ask():
    notice = finding(Severity.NOTICE, Origin("a.yml"))

    assert human([notice], Palette()) == ""
    assert "a.yml: notice SVC201" in human([notice], Palette(), notices=True)


def test_the_tally_counts_errors_and_warnings():
    found = [finding(Severity.ERROR, None), finding(Severity.WARNING, None)]

    assert tally(found) == "1 error, 1 warning"
