"""Laws of zones over random worlds: they are well-formed, and answer as the specification says."""

from __future__ import annotations

import dataclasses
import subprocess
from collections import Counter
from pathlib import Path
from random import Random

import dns.zone
import pytest

from svcform.lang.zone.text import write
from svcform.model.zone import Zone
from tests.conformance.dns_servers import find, serving
from tests.coredns.asking import Question, ask_all
from tests.coredns.model import Model
from tests.coredns.questions import questions
from tests.coredns.serving import zones_of
from tests.coredns.worlds import ZONE, Options, World, random_world

#: The specification's own: no name that it does not ask for.
PLAIN = Options(
    ttl=5,
    pods="disabled",
    endpoint_pod_names=False,
    ignore_empty_service=False,
    zonal=False,
    namespaces=(),
    endpoint_names="headless",
)
ASKED = ("A", "AAAA", "SRV", "PTR", "CNAME", "TXT", "MX")


def plain_world(seed: int) -> World:
    return dataclasses.replace(random_world(Random(seed)), options=PLAIN)


def write_zones(folder: Path, zones: tuple[Zone, ...]) -> list[tuple[str, Path]]:
    files = [(zone.origin, folder / f"{zone.origin}zone") for zone in zones]
    for zone, (_, path) in zip(zones, files, strict=True):
        path.write_bytes(write(zone, 7))
    return files


@pytest.mark.parametrize("seed", range(40))
def test_zones_are_read_by_dnspython_and_checked_by_nsd(tmp_path: Path, seed: int):
    zones = zones_of(random_world(Random(seed)))
    checker = find("nsd-checkzone")
    assert checker, "nsd-checkzone is not here; `make test` installs it"
    for zone, (origin, path) in zip(zones, write_zones(tmp_path, zones), strict=True):
        read = dns.zone.from_file(str(path), origin, relativize=False)
        records = {(str(name), str(rdata)) for name, _, rdata in read.iterate_rdatas()}
        assert len(records) == 1 + sum(len(found.rdatas) for found in zone.records)
        argv = [checker, origin, str(path)]
        checked = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert "warning" not in checked.stdout + checked.stderr


@pytest.mark.parametrize("seed", range(100, 110))
def test_answers_are_those_of_the_specification(tmp_path: Path, seed: int):
    world = plain_world(seed)
    model = Model(world)
    asked = [each for each in questions(Random(seed), world) if each.type in ASKED]
    asked += [Question(name, kind) for name in sorted(model.names()) for kind in ASKED]
    asked = [each for each in asked if _is_specified(each, model)]
    with serving("NSD", tmp_path, write_zones(tmp_path, zones_of(world))) as server:
        answers = ask_all(asked, server.port)
    seen = Counter()
    for question, answer in zip(asked, answers, strict=True):
        rdatas = {_comparable(kind, text) for _, kind, _, text in answer.answer}
        expected = model.answer(question.name.lower(), question.type)
        assert (answer.rcode, rdatas) == expected, question
        seen[answer.rcode] += 1
    assert min(seen["NOERROR"], seen["NXDOMAIN"]) > 20


def _is_specified(asked: Question, model: Model) -> bool:
    """Not what is CoreDNS's own: SRV at names that are no port's, anchors, name servers."""
    name = asked.name.lower()
    return (
        name not in model.open
        and not name.startswith("_nodata.")
        and not (asked.type == "SRV" and not name.startswith("_"))
        and name not in {f"dns.{ZONE}", f"ns.dns.{ZONE}"}
    )


def _comparable(kind: str, text: str) -> str:
    """Rdata without priority and weight, which are not prescribed."""
    return " ".join(text.split()[2:]) if kind == "SRV" else text
