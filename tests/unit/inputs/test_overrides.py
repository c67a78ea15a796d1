"""Templates of files that a project has of its own."""

from __future__ import annotations

import pytest

from svcform.data import read_text
from svcform.inputs.overrides import KNOWN, read_templates
from svcform.inputs.project import ProjectRequest, read_project
from tests.unit.inputs import small_projects


def written(folder, text, name="dns/Corefile.j2"):
    return small_projects.write(folder, **{f"templates/{name}": text})


@pytest.mark.parametrize("name", KNOWN)
def test_svcforms_own_templates_are_good_ones(tmp_path, name):
    folder = tmp_path / "templates" / f"{name}.j2"
    folder.parent.mkdir(parents=True)
    folder.write_text(read_text("templates", f"{name}.j2"))
    found, problems = read_templates(tmp_path)

    assert problems == []
    assert list(found) == [name]


def test_every_node_gets_them(tmp_path):
    own = read_text("templates", "dns/Corefile.j2").replace("errors", "errors\n    log")
    inputs = small_projects.read(written(tmp_path, own))

    assert {node.settings.templates["dns/Corefile"].text for node in inputs.nodes} == {own}


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("\n{{ zone }}\n", 2, "there is no 'zone', but zones, listen, forward"),
        ("\n{% if %}\n", 2, "Expected an expression"),
        (".:53 {\n    whoami\n}\n", 1, "has to bind exactly the addresses"),
        ("{{ ''.__class__.__mro__ }}\n", 1, "unsafe"),
    ],
)
def test_a_mistake_has_its_place(tmp_path, text, line, reason):
    _, found = read_project(ProjectRequest(project=written(tmp_path, text)))
    (told,) = [d for d in found if d.code == "SVC158"]

    assert str(told.where).endswith(f"templates/dns/Corefile.j2:{line}:1")
    assert reason in told.detail


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[Service]\n{{ text }}", "begin with"),
        ("{{ text }}\nMemoryMax 1G\n", "no section, no setting"),
        ("{{ text | replace('ExecStart', 'ExecStop') }}", "'ExecStart="),
    ],
)
def test_a_unit_stays_svcforms(tmp_path, text, reason):
    _, found = read_project(
        ProjectRequest(project=written(tmp_path, text, "dns/svcform-coredns.service.j2"))
    )
    (told,) = [d for d in found if d.code == "SVC158"]

    assert reason in told.detail


def test_a_name_that_is_none_is_a_warning(tmp_path):
    _, problems = read_templates(written(tmp_path, "", "dns/corefile.j2"))

    assert [(d.code, d.severity.value) for d in problems] == [("SVC159", "warning")]
