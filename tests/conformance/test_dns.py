"""Real name servers with svcform's zones answer as CoreDNS's tests and the specification say."""

from __future__ import annotations

import pytest

from svcform.lang.zone.text import read, write
from svcform.model.zone import Zones
from svcform.policy.dns_answer import answer
from tests.conformance.dns_cases import FILE, cases, judge
from tests.conformance.dns_servers import SERVERS, serving

pytestmark = pytest.mark.skipif(not cases(), reason=f"the cases are not here ({FILE})")


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
@pytest.mark.parametrize("server", SERVERS)
def test_answers(server, case, tmp_path):
    files = []
    for zone in case.zones:
        path = tmp_path / f"{zone.origin}zone"
        path.write_bytes(write(zone, 7))
        files.append((zone.origin, path))
    for line in case.upstream:
        origin = line.split()[0]
        path = tmp_path / f"{origin}upstream"
        path.write_text(f"{origin} 5 IN SOA a. b. 1 1 1 1 1\n{origin} 5 IN NS a.\n{line}\n")
        files.append((origin, path))
    with serving(server, tmp_path, files) as asked:
        for question in case.questions:
            if not question.reason:
                seen = asked.ask(question.name, question.type)
                assert judge(case, question, seen, follows=server == "CoreDNS") == ""


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_zone_files_are_read_back(case):
    for zone in case.zones:
        found = read(write(zone, 7).decode(), zone.origin)
        assert (found.soa, found.serial, found.records) == (zone.soa, 7, zone.records)


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_the_offline_answer_is_the_same(case):
    for question in case.questions:
        if not question.reason and not question.upstream:
            found = answer(Zones(zones=case.zones), question.name, question.type)
            seen = {
                (r.name, r.ttl, r.type, text.lower()) for r in found.answer for text in r.rdatas
            }
            assert found.rcode == question.rcode, question
            if question.type != "SOA" and "ttl" not in case.ignores:
                assert seen == question.answer, question
