"""The published schemas of inventory, playbook and settings agree with what is read."""

import json
from dataclasses import fields
from pathlib import Path

import jsonschema
import pytest
import yaml

from svcform.data import path, read_text
from svcform.inputs.marked import MarkedDocument
from svcform.inputs.playbook import read_playbook
from svcform.inputs.schema_files import schema
from svcform.inputs.setting_values import BadValue
from svcform.inputs.settings import PREFIX, READERS
from svcform.model.settings import Settings

NAMES = ("inventory", "playbook", "settings")
VALUES = [
    *("iptables", "none", "10.96.0.0/16", "192.0.2.1", "all", "primary", "true", "yes"),
    "30000-32767",
    *(True, False, 0, 1, 5, 0x2000, 70000, "rr", "a.b", "eu-1a", "node", "verified", "headless"),
    *("tcp://192.0.2.0/24 -> :22", "A B", "", None, [], {}, ["10.96.0.0/16", "fd00::/112"]),
    *([7], {"a": ["192.0.2.0/24"]}, {"a": "192.0.2.1-192.0.2.9"}, {"A": ["192.0.2.1"]}),
    *({"amd64": {"file": "x", "sha256": "0" * 64}}, {"amd64": {"file": "x"}}),
]  # fmt: skip


def accepts(name: str, value: object) -> bool:
    return jsonschema.Draft202012Validator(schema(name)).is_valid(value)


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_one(name):
    jsonschema.Draft202012Validator.check_schema(schema(name))
    assert schema(name)["$id"] == f"urn:svcform:schema:{name}"


def test_every_setting_is_described_in_every_schema():
    described = schema("settings")["$defs"]["settings"]["properties"]

    assert set(described) == {*READERS, *(PREFIX + name for name in READERS)}
    assert all(described[name]["description"] for name in described)
    assert schema("playbook")["$defs"]["settings"] == schema("settings")["$defs"]["settings"]
    variables = schema("inventory")["$defs"]["variables"]["anyOf"][1]["properties"]
    assert set(described) <= set(variables)


@pytest.mark.parametrize("field", fields(Settings), ids=lambda field: field.name)
def test_the_described_default_is_the_one_in_force(field):
    described = schema("settings")["$defs"]["settings"]["properties"].get(field.name, {})
    if "default" in described:
        default = READERS[field.name](described["default"])
        assert default == field.default


@pytest.mark.parametrize("name", READERS)
def test_what_is_read_fits_the_schema(name):
    for value in VALUES:
        try:
            READERS[name](value)
        except BadValue:
            continue
        assert accepts("settings", {name: value}), value


@pytest.mark.parametrize("name", sorted(set(READERS) - {"cluster_domain", "node_name", "zone"}))
def test_the_schema_refuses_most_of_what_is_not_read(name):
    refused = [value for value in VALUES if not accepts("settings", {name: value})]

    assert len(refused) >= 15
    for value in refused:
        with pytest.raises(BadValue):
            READERS[name](value)


@pytest.mark.parametrize(
    "text",
    [
        "- hosts: edge",
        "- {hosts: [a, b], serial: [1, 50%], manifests: [x], workloads: {a/b: [n]}, state: absent}",
        "- {hosts: a, vars: {proxy_mode: ipvs, other: [1]}, vars_files: [a, [b, c]], become: yes}",
        "- {hosts: a, vars: {proxy_mode: '{{ mode }}'}}",
    ],
)
def test_a_right_playbook_fits(text):
    value = yaml.safe_load(text)

    assert read_playbook(MarkedDocument(file="", value=value))[1] == []
    assert accepts("playbook", value)


@pytest.mark.parametrize(
    "play",
    ["tasks: []", "state: gone", "serial: 0", "workloads: {web: [a]}", "port: 0", "hosts: []"],
)
def test_a_wrong_playbook_does_not_fit(play):
    value = [{"hosts": "a", **yaml.safe_load(play)}]

    assert read_playbook(MarkedDocument(file="", value=value))[1] != []
    assert not accepts("playbook", value)


def test_inventories_fit_or_not():
    good = (
        "all: {hosts: {'w[1:2]': {ansible_port: 22, dns: [x]}}, children: {a: {vars: {z: 1}}, b: }}"
    )

    assert accepts("inventory", yaml.safe_load(good))
    assert not accepts("inventory", {"all": {"hosts": ["a"]}})
    assert not accepts("inventory", {"all": {"childs": {}}})
    assert not accepts("inventory", {"all": {"vars": {"ansible_host_key_checking": False}}})
    assert not accepts("inventory", {"all": {"vars": {"svcform_proxy_mode": "nft"}}})


def test_shipped_files_are_found_and_others_are_not():
    assert json.loads(read_text("schemas", "playbook.schema.json"))["title"] == "svcform playbook"
    with pytest.raises(FileNotFoundError):
        path("schemas", "no-such.schema.json")


def test_the_documentation_has_every_setting():
    page = (Path(__file__).parents[3] / "docs" / "settings.md").read_text()

    assert [name for name in READERS if f"| `{name}` |" not in page] == []
