"""What a run keeps of the node is on disk, however deep it lies, before the run counts on it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from svcform.program.reading import shell_source

#: Of a folder's name it takes no files along; without a name it takes all.
SYNC = 'sync() { if [ $# -gt 0 ]; then printf "%s\\n" "$@"; else find "$tree"; fi; }'


@pytest.mark.parametrize("depth", range(5))
@pytest.mark.parametrize("shell", [["dash"], ["busybox", "sh"]], ids=lambda s: s[0])
def test_a_kept_tree_is_synced_to_its_last_file(
    tmp_path: Path, shell: list[str], depth: int
) -> None:
    """A proxy's Services lie deepest; an empty file would replace one that has all of them."""
    file = tmp_path.joinpath("kept", *"abcde"[:depth], "file")
    file.parent.mkdir(parents=True)
    file.touch()
    script = f"{shell_source('runner/common.sh')}\n{SYNC}\npersist_tree {tmp_path / 'kept'}"
    command = [*shell, "-c", script]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    assert str(file) in said.split()
