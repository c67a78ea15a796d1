"""One lab for all tests that serve DNS from nodes over SSH."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from svcform.lab import lab as labs
from svcform.lab.lab import Lab
from svcform.lab.spec import EndpointSpec, LabSpec, NodeSpec
from tests.conformance.dns_servers import find
from tests.coredns.site import ENDPOINTS, NODES, Site


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Two nodes with a CoreDNS in root's PATH, and endpoints behind the first."""
    program = find("coredns")
    assert program, "coredns is not here; `make test` builds it"
    packages = tmp_path_factory.mktemp("packages")
    (packages / "usr/bin").mkdir(parents=True)
    shutil.copy2(program, packages / "usr/bin/coredns")
    directory = tmp_path_factory.mktemp("dns") / "lab"
    yield labs.up(
        LabSpec(
            directory=directory,
            nodes=tuple(NodeSpec(name=name, packages=str(packages)) for name in NODES),
            endpoints=tuple(EndpointSpec(name=name, node="n1") for name in ENDPOINTS),
        )
    )
    labs.down(directory)


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the one project that the nodes belong to."""
    return tmp_path_factory.mktemp("site")


@pytest.fixture
def site(lab: Lab, project: Path) -> Site:
    """The project, applied."""
    made = Site(lab, project)
    made.applied("--take-over", "--allow-deletions", "--allow-renumber")
    return made
