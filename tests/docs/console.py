"""Commands in a document's ``console`` blocks: run them, and compare what they print.

``python -m tests.docs.console docs/first-hour.md`` writes what they print now into the document.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_EXIT = re.compile(r"\n?\[exit code (\d+)\]\n?$")

#: What differs from run to run, and what stands for it when two outputs are compared.
VARIABLE = (
    (re.compile(r"\b[0-9a-f]{64}\b"), "DIGEST"),
    (re.compile(r"SHA256:[A-Za-z0-9+/]{43}"), "SHA256:KEY"),
    (re.compile(r"^ +\d+ (endpoint=)", re.MULTILINE), r"N \1"),
    (re.compile(r"^(# (?:Generated|Completed)).*$", re.MULTILINE), r"\1"),
    (re.compile(r"127\.0\.0\.1\]?:\d+|ansible_port\D+\d+|\bport \d{5}\b"), "PORT"),
    (re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "UUID"),
    (re.compile(r"\[\d+:\d+\]"), "[COUNTERS]"),
    (re.compile(r"/tmp/[^ /]+"), "/tmp/FOLDER"),
)


@dataclass(frozen=True)
class Step:
    """A command and what it is said to print; ``[exit code N]`` at its end if that isn't 0."""

    command: str
    output: str


def steps(text):
    """All steps of a document, in order."""
    found = []
    for block in _BLOCK.findall(text):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            while command.endswith("\\"):
                more, _, output = output.partition("\n")
                command += "\n" + more
            found.append(Step(command, output.strip("\n")))
    return found


def normal(text):
    """Text without what differs from run to run."""
    for pattern, word in VARIABLE:
        text = pattern.sub(word, text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def run(command, folder):
    """What a command prints on both streams, and its exit code behind it."""
    environment = {k: v for k, v in os.environ.items() if k not in ("CI", "FORCE_COLOR")}
    path = f"{Path(sys.executable).parent}:{environment['PATH']}"
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env={**environment, "PATH": path, "NO_COLOR": "1", "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    note = f"\n[exit code {done.returncode}]" if done.returncode else ""
    return (done.stdout.rstrip("\n") + note).strip("\n")


def rewrite(text, folder):
    """The document with what its commands print now."""

    def block(match):
        lines = []
        for step in steps(match[0]):
            lines.append(f"$ {step.command}")
            output = run(step.command, folder)
            if output:
                lines.append(output)
        return "```console\n" + "\n".join(lines) + "\n```"

    return _BLOCK.sub(block, text)


if __name__ == "__main__":
    document = Path(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="svcform-hour-") as name:
        try:
            document.write_text(rewrite(document.read_text(), name))
        finally:
            run("svcform lab down", name)
