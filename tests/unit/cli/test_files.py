"""What ``--out`` names is written whole, or left as it is."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from svcform.cli.files import replace
from svcform.errors import UsageError


def test_a_private_file_is_its_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    for mask in (0o000, 0o077, 0o777):
        before = os.umask(mask)
        try:
            replace(tmp_path / "x", b"plan", private=True)
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o600


def test_a_link_is_followed_and_stays(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there/x")
    replace(tmp_path / "link", b"plan", private=True)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there/x").read_bytes() == b"plan"
    assert [file.name for file in (tmp_path / "there").iterdir()] == ["x"]


def test_what_is_no_file_is_written_to_and_stays_what_it_is(tmp_path: Path) -> None:
    """``--out /dev/null`` as root made a file of it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    heard: list[bytes] = []
    reader = threading.Thread(target=lambda: heard.append(pipe.read_bytes()))
    reader.start()
    replace(pipe, b"plan", private=True)
    reader.join(10)
    assert heard == [b"plan"]
    assert pipe.is_fifo()


def test_what_can_not_be_written_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"old")
    with pytest.raises(UsageError, match="can't be written"):
        replace(tmp_path / "nowhere/x", b"plan")
    with pytest.raises(UsageError, match="x/y can't be written: Not a directory"):
        replace(tmp_path / "x/y", b"plan")
    with pytest.raises(UsageError, match="Is a directory"):
        replace(tmp_path, b"plan")
    with pytest.raises(UsageError, match="No space left"):
        replace(Path("/dev/full"), b"plan")
    assert [file.name for file in tmp_path.iterdir()] == ["x"]
