"""A scaffolded project is valid as it stands, and nothing that was there is overwritten."""

from __future__ import annotations

import json

import pytest


@pytest.mark.parametrize(
    "words", [(), ("--port", "8080"), ("--hosts", "a=192.0.2.1,b=2001:db8::2,192.0.2.3")]
)
def test_what_init_writes_has_no_findings(svcform, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    assert svcform("init", *words)[0] == 0

    code, out, err = svcform("validate")

    assert (code, err) == (0, "")
    assert out.startswith("Valid: 1 service, ")


def test_three_plain_machines_get_a_replica_each(svcform, tmp_path):
    code, _, _ = svcform(
        "init",
        str(tmp_path / "new"),
        "--hosts",
        "a=192.0.2.1,b=192.0.2.2,192.0.2.3",
        "--port",
        "81",
    )

    assert code == 0
    playbook = (tmp_path / "new/playbooks/site.yml").read_text()
    assert "default/web: [a, b, node-3]" in playbook
    code, out, _ = svcform("validate", "-C", str(tmp_path / "new"))
    assert (code, out) == (0, "Valid: 1 service, 3 endpoints, 3 nodes.\n")


def test_names_that_do_not_resolve_are_pointed_out(svcform, tmp_path):
    svcform("init", str(tmp_path), "--hosts", "no-such-host.invalid")

    inventory = (tmp_path / "inventory.yml").read_text()
    assert "# no-such-host.invalid did not resolve: put its address here" in inventory
    assert svcform("validate", "-C", str(tmp_path))[0] == 0


def test_nothing_is_overwritten(svcform, tmp_path):
    mine = tmp_path / "inventory.yml"
    mine.write_text("mine\n")

    code, out, _ = svcform("init", str(tmp_path))

    assert code == 0
    assert mine.read_text() == "mine\n"
    assert "kept  inventory.yml" in out
    assert "wrote playbooks/site.yml" in out


def test_a_second_init_changes_nothing(svcform, tmp_path):
    svcform("init", str(tmp_path))
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}

    code, out, _ = svcform("init", str(tmp_path), "-o", "json")

    assert code == 0
    assert json.loads(out)["written"] == []
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize(
    "words, hint",
    [
        (("--hosts", "a:{b"), "no host name"),
        (("--hosts", "a,a"), "twice"),
        (("--hosts", ","), "names no machine"),
        (("--hosts", "a=b"), "an IP address"),
        (("--port", "70000"), "from 1 to 65535"),
        (("--hosts", "a\nb: {}"), "no host name"),
    ],
)
def test_nonsense_is_refused_before_anything_is_written(svcform, tmp_path, words, hint):
    code, _, err = svcform("init", str(tmp_path), *words)

    assert code == 1
    assert hint in err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_a_sentence(svcform, tmp_path):
    (tmp_path / "file").write_text("")

    code, _, err = svcform("init", str(tmp_path / "file" / "new"))

    assert code == 1
    assert "can't be written" in err


def test_editors_find_the_schemas(svcform, tmp_path):
    svcform("init", str(tmp_path))

    for path in tmp_path.rglob("*.yml"):
        reference = path.read_text().splitlines()[0].partition("$schema=")[2]
        json.loads((path.parent / reference).read_text())
