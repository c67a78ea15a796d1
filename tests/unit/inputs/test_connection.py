"""How a node is reached: what wins, what is refused, what stays secret."""

from pathlib import Path

import pytest

from svcform.inputs.connection_defaults import ConnectionDefaults
from tests.unit.inputs.small_projects import details, findings, node, read, write

OPTIONS = ConnectionDefaults(
    user="option", become=True, become_user="root", password="pw", timeout=3, become_method="doas"
)


def hosted(folder: Path, variables: str, playbook: str = "- hosts: all\n", **files: str) -> Path:
    inventory = f"all: {{hosts: {{edge-1: {{{variables}}}}}}}\n"
    return write(folder, inventory=inventory, playbook=playbook, **files)


def test_an_option_loses_to_a_keyword_and_a_keyword_to_a_variable(tmp_path: Path):
    folder = hosted(
        tmp_path,
        "ansible_become_user: variable",
        "- {hosts: all, remote_user: keyword, become_user: keyword, port: 2200}\n",
    )

    connection = node(folder, connection_defaults=OPTIONS).connection

    assert (connection.user, connection.become_user) == ("keyword", "variable")
    assert (connection.port, connection.timeout, connection.become) == (2200, 3, True)
    assert (connection.become_method, connection.password) == ("doas", "pw")


def test_without_a_word_a_node_is_reached_by_its_name(tmp_path: Path):
    connection = node(hosted(tmp_path, "")).connection

    assert (connection.kind, connection.host, connection.port) == ("ssh", "edge-1", 0)
    assert (connection.become, connection.timeout) == (False, 10)


@pytest.mark.parametrize(
    ("written", "become"),
    [
        *[("1", True), ("'1'", True), ("1.0", True), ("'Yes '", True), ("t", True)],
        *[("0", False), ("'f'", False), ("n", False), ("'off'", False)],
    ],
)
def test_become_takes_every_boolean_that_ansible_takes(tmp_path: Path, written, become):
    assert node(hosted(tmp_path, f"ansible_become: {written}")).connection.become is become


def test_a_number_that_is_no_boolean_is_told(tmp_path: Path):
    assert "`true` or `false`" in details(hosted(tmp_path, "ansible_become: 2"))


def test_all_honoured_variables_are_typed(tmp_path: Path):
    connection = node(
        hosted(
            tmp_path,
            "ansible_host: 192.0.2.1, ansible_port: '2222', ansible_user: 1001, "
            "ansible_password: 4711, ansible_ssh_private_key_file: ~/key, "
            "ansible_ssh_common_args: '-o ProxyJump=gate', ansible_timeout: 5, "
            "ansible_become: yes, ansible_become_user: admin, ansible_become_method: sudo, "
            "ansible_become_password: secret, ansible_host_key_checking: true",
        )
    ).connection

    assert (connection.host, connection.port, connection.user) == ("192.0.2.1", 2222, "1001")
    assert (connection.password, connection.become_password) == ("4711", "secret")
    assert connection.private_key_file == "~/key"
    assert connection.ssh_common_args == "-o ProxyJump=gate"
    assert (connection.timeout, connection.become, connection.become_user) == (5, True, "admin")
    assert "4711" not in repr(connection)
    assert "secret" not in repr(connection)


def test_ansibles_older_names_are_known(tmp_path: Path):
    connection = node(hosted(tmp_path, "ansible_ssh_user: old, ansible_ssh_port: 22")).connection

    assert (connection.user, connection.port) == ("old", 22)


def test_a_lab_node_needs_its_process(tmp_path: Path):
    lab = "ansible_connection: svcform_lab"

    assert findings(hosted(tmp_path, lab)) == ["inventory.yml:1:44 SVC146 error"]
    connection = node(hosted(tmp_path, f"{lab}, svcform_lab_pid: 42")).connection
    assert (connection.kind, connection.lab_pid) == ("svcform_lab", 42)


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ("ansible_port: 70000", "from 1 to 65535"),
        ("ansible_connection: winrm", "no other connections"),
        ("ansible_become_method: su", "no other become methods"),
        ("ansible_become: maybe", "`true` or `false`"),
        ("ansible_host: [a]", "text"),
    ],
)
def test_a_wrong_value_is_an_error(tmp_path: Path, variables, said):
    folder = hosted(tmp_path, variables)

    assert [f.split()[1] for f in findings(folder)] == ["SVC146"]
    assert said in details(folder)


@pytest.mark.parametrize("written", ["false", "no", "'False'", "ask"])
def test_unchecked_host_keys_are_refused_with_the_reason(tmp_path: Path, written):
    folder = hosted(tmp_path, f"ansible_host_key_checking: {written}")

    assert [f.split()[1:] for f in findings(folder)] == [["SVC147", "error"]]
    assert "svcform trust" in details(folder)


def test_other_ansible_variables_are_a_notice_each_once(tmp_path: Path):
    inventory = "all: {hosts: {a: {ansible_shell_type: sh}, b: {ansible_shell_type: sh}}}"
    folder = write(tmp_path, inventory=inventory, playbook="- hosts: all")

    assert findings(folder) == ["inventory.yml:1:19 SVC148 notice"]


def test_expressions_are_evaluated_over_the_hosts_own_variables(tmp_path: Path):
    folder = hosted(
        tmp_path,
        "site: fra, base: 2200, port_of: '{{ base + 22 }}', ansible_port: '{{ port_of }}', "
        "ansible_host: '{{ inventory_hostname }}.{{ site }}.example.org', "
        "zone: \"{{ hostvars[inventory_hostname]['site'] }}\", "
        "node_name: \"{{ groups['all'] | first | upper | lower }}\"",
    )

    found = node(folder)

    assert found.connection.host == "edge-1.fra.example.org"
    assert found.connection.port == 2222
    assert (found.settings.zone, found.settings.node_name) == ("fra", "edge-1")


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("{{ nowhere }}", "'nowhere' is undefined"),
        ("{{ ansible_host }}", "refers to itself"),
        ("{{ 'a' | ansible_filter }}", "No filter named 'ansible_filter'"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ unclosed", "unexpected end"),
    ],
)
def test_an_expression_that_fails_is_an_error_where_it_is_used(tmp_path: Path, expression, said):
    folder = hosted(tmp_path, f'ansible_host: "{expression}", unused: "{{{{ nowhere }}}}"')

    assert findings(folder) == ["inventory.yml:1:38 SVC112 error"]
    assert said in details(folder)


def test_a_node_in_two_plays_with_different_users_is_an_error(tmp_path: Path):
    plays = "- {hosts: all, remote_user: a}\n- {hosts: all, remote_user: b}\n"

    assert findings(hosted(tmp_path, "", plays)) == ["playbooks/site.yml:2:29 SVC143 error"]


def test_an_implicit_localhost_is_local(tmp_path: Path):
    inputs = read(write(tmp_path, playbook="- hosts: localhost"))

    assert [(n.name, n.connection.kind) for n in inputs.nodes] == [("localhost", "local")]
    assert "localhost" not in inputs.all_node_names
