"""What all tests share: labs, and which tests this machine can run."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from svcform.lab import lab, spec
from svcform.lab.lab import Lab
from svcform.lab.spec import LabSpec
from tests import schedule
from tests.flow.arena import Kind, open_arena
from tests.flow.nodes import guest_subjects
from tests.flow.under_test import NodeUnderTest

# svcform behaves differently where CI is set: a test that is about that sets it itself.
if os.environ.pop("CI", None):
    os.environ["TESTS_IN_CI"] = "true"  # for the workers, too

# A shell's background job ignores Ctrl-C, and so would all that the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    with contextlib.suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGINT, signal.default_int_handler)


# A machine that does something else too is slow, and no law is broken by that.
# A change is judged by what it changes: Hypothesis draws the same in CI, and anew elsewhere.
settings.register_profile("untimed", deadline=None, derandomize="TESTS_IN_CI" in os.environ)
settings.load_profile("untimed")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    return schedule.processes()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> schedule.Scheduling:
    config.option.loadscopereorder = False
    return schedule.Scheduling(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        schedule.sort(items)
    if os.geteuid() == 0:
        return
    for item in items:
        if item.get_closest_marker("root"):
            item.add_marker(pytest.mark.skip(reason="needs root: network namespaces, sshd"))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Let no collection walk thousands of tests again: a tenth of what laws take."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def new_lab(tmp_path: Path) -> Iterator[Callable[[LabSpec], Lab]]:
    """Brings labs up, and takes all of them down again, whatever happens."""
    directories: list[Path] = []

    def up(wanted: LabSpec) -> Lab:
        directories.append(wanted.directory)
        return lab.up(wanted)

    yield up
    for directory in directories:
        lab.down(directory)


@pytest.fixture(scope="session")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeUnderTest]:
    """A node on a kernel of its own, for what the running one lacks; shared by all tests."""
    with open_arena(tmp_path_factory.mktemp("guest"), (), "legacy", Kind.GUEST) as opened:
        yield NodeUnderTest(opened, guest_subjects())


@pytest.fixture(scope="module")
def lab_of_three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Three nodes over SSH, with one endpoint behind each; shared by a module's tests."""
    directory = tmp_path_factory.mktemp("lab") / ".lab"
    yield lab.up(spec.cluster(directory, nodes=3))
    lab.down(directory)
