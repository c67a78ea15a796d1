"""Inventory and playbook on disk, written in a test, and what is read from them."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

from svcform.inputs.project import ProjectInputs, ProjectRequest, read_project
from svcform.model.node import Node

INVENTORY = """\
all:
  children:
    edge:
      hosts:
        edge-1: {ansible_host: 192.0.2.11}
        edge-2: {ansible_host: 192.0.2.12}
"""
PLAYBOOK = """\
- hosts: edge
"""


def write(folder: Path, **files: str) -> Path:
    """Write ``inventory``, ``playbook`` and other files (by their path) of a project."""
    names = {"inventory": "inventory.yml", "playbook": "playbooks/site.yml"}
    for name, text in {"inventory": INVENTORY, "playbook": PLAYBOOK, **files}.items():
        path = folder / names.get(name, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    return folder


def read(folder: Path, **request: Any) -> ProjectInputs:
    """The project's inputs; fails where there is any finding but a notice."""
    inputs, found = read_project(ProjectRequest(project=folder, **request))
    assert [str(d) for d in found if d.severity.value != "notice"] == []
    assert inputs is not None
    return inputs


def findings(folder: Path, **request: Any) -> list[str]:
    """Everything that is found, as ``file:line:column CODE severity``."""
    inputs, found = read_project(ProjectRequest(project=folder, **request))
    assert (inputs is None) == any(d.severity.value == "error" for d in found)
    return [
        f"{str(d.where).removeprefix(str(folder) + '/')} {d.code} {d.severity.value}" for d in found
    ]


def details(folder: Path, **request: Any) -> str:
    """The details of everything that is found, one a line."""
    return "\n".join(d.detail for d in read_project(ProjectRequest(project=folder, **request))[1])


def node(folder: Path, name: str = "edge-1", **request: Any) -> Node:
    """One node of the project."""
    return next(node for node in read(folder, **request).nodes if node.name == name)
