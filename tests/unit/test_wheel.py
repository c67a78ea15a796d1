"""The built wheel is what users install: it has all that the program reads at run time."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[2]


def test_a_wheel_scaffolds_and_checks_a_project_far_from_any_checkout(tmp_path):
    """Templates and schemas are found inside the installed package."""
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    installed, project = tmp_path / "installed", tmp_path / "project"
    zipfile.ZipFile(wheel).extractall(installed)
    project.mkdir()

    for command in (["init"], ["validate"], ["render", "--out", "programs"]):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "svcform", *command],
            cwd=project,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(installed)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    shown = subprocess.run(
        [sys.executable, "-P", "-c", "import svcform; print(svcform.__file__)"],
        cwd=project,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(shown.stdout.strip()).is_relative_to(installed)
