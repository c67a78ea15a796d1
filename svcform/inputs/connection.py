"""How a node is reached: ``ansible_*`` variables, a play's keywords, the command line's options.

As in Ansible a variable wins over a keyword, and a keyword over an option.  Where Ansible has
several names for one thing, the later in its list wins (ansible-core 2.19, ``plugins/connection``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from svcform.diagnostics import Location, Severity
from svcform.inputs import setting_values as read
from svcform.inputs.connection_defaults import ConnectionDefaults
from svcform.inputs.expressions import Unusable, Value, Values
from svcform.inputs.setting_values import BadValue, Reader
from svcform.inputs.settings import SettingsReader
from svcform.model.node import Connection

_KINDS = {
    "ssh": "ssh",
    "ansible.builtin.ssh": "ssh",
    "smart": "ssh",
    "paramiko": "ssh",
    "paramiko_ssh": "ssh",
    "ansible.builtin.paramiko_ssh": "ssh",
    "local": "local",
    "ansible.builtin.local": "local",
    "svcform_lab": "svcform_lab",
}
_METHODS = {
    "sudo": "sudo",
    "ansible.builtin.sudo": "sudo",
    "doas": "doas",
    "community.general.doas": "doas",
}


_ANSIBLE_BOOLEANS: Mapping[str | float, bool] = {
    **dict.fromkeys(("y", "t", "1", 1), True),
    **dict.fromkeys(("n", "f", "0", 0), False),
}


def _text(value: object) -> str:
    if isinstance(value, str) and value:
        return value
    raise BadValue("text")


def _name(value: object) -> str:
    # A user or a password of digits alone is a number to YAML.
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _text(value)


def _boolean(value: object) -> bool:
    # ansible-core 2.19, module_utils/parsing/convert_bool.py: these, too, are booleans.
    word = value.strip().lower() if isinstance(value, str) else value
    if isinstance(word, str | int | float) and word in _ANSIBLE_BOOLEANS:
        return _ANSIBLE_BOOLEANS[word]
    return read.boolean(word)


def _kind(value: object) -> str:
    if isinstance(value, str) and value in _KINDS:
        return _KINDS[value]
    raise BadValue("ssh, local or svcform_lab: svcform has no other connections")


def _method(value: object) -> str:
    if isinstance(value, str) and value in _METHODS:
        return _METHODS[value]
    raise BadValue("sudo or doas: svcform has no other become methods")


#: The field of Connection: the variables that set it (the last that is there wins), and its reader.
_FIELDS: Mapping[str, tuple[tuple[str, ...], Reader]] = {
    "kind": (("ansible_connection",), _kind),
    "host": (("ansible_host", "ansible_ssh_host"), _text),
    "port": (("ansible_port", "ansible_ssh_port"), read.integer(1, 65535)),
    "user": (("ansible_user", "ansible_ssh_user"), _name),
    "password": (("ansible_password", "ansible_ssh_pass", "ansible_ssh_password"), _name),
    "private_key_file": (("ansible_private_key_file", "ansible_ssh_private_key_file"), _text),
    "ssh_common_args": (("ansible_ssh_common_args",), _text),
    "timeout": (("ansible_timeout", "ansible_ssh_timeout"), read.integer(1, 86_400)),
    "become": (("ansible_become",), _boolean),
    "become_user": (("ansible_become_user", "ansible_sudo_user"), _name),
    "become_method": (("ansible_become_method",), _method),
    "become_password": (
        ("ansible_become_password", "ansible_become_pass", "ansible_sudo_pass"),
        _name,
    ),
    "lab_pid": (("svcform_lab_pid",), read.integer(1, 1 << 22)),
}
_HOST_KEY_CHECKING = ("ansible_host_key_checking", "ansible_ssh_host_key_checking")
#: Variables of Ansible's that say how it runs Python and tasks on a node: nothing to report.
_OF_NO_MATTER = ("ansible_python_interpreter", "ansible_group_priority")
HONOURED = frozenset(
    [
        *_HOST_KEY_CHECKING,
        *_OF_NO_MATTER,
        *(name for names, _ in _FIELDS.values() for name in names),
    ]
)
#: Variables that are a password, and are never shown.
SECRETS = frozenset([*_FIELDS["password"][0], *_FIELDS["become_password"][0]])
#: A play's keyword, and the field of Connection that it sets.
KEYWORDS: Mapping[str, str] = {
    "remote_user": "user",
    "port": "port",
    "connection": "kind",
    "become": "become",
    "become_user": "become_user",
    "become_method": "become_method",
}


def read_field(field: str, value: object) -> Any:  # noqa: ANN401 - a field has a type of its own
    """The typed value of a field of Connection; raises BadValue."""
    return _FIELDS[field][1](value)


def read_connection(
    name: str,
    values: Values,
    keywords: Mapping[str, Any],
    defaults: ConnectionDefaults,
    problems: SettingsReader,
) -> Connection:
    """A node's connection; ``keywords`` are the typed fields that its plays' keywords set."""
    found: dict[str, Any] = {"host": name}
    found.update(_options(defaults))
    found.update(keywords)
    for field, (names, reader) in _FIELDS.items():
        known = [variable for variable in names if variable in values]
        if known:
            value = _read(values, known[-1], reader, problems)
            if value is not None:
                found[field] = value
    _check_host_keys(values, problems)
    if found.get("kind") == "svcform_lab" and "lab_pid" not in found:
        where = values.winners["ansible_connection"].where("ansible_connection")
        detail = f"The lab node {name} needs svcform_lab_pid: `svcform lab up` writes it."
        problems.report("SVC146", "A connection variable has a wrong value", detail, where)
    return Connection(**found)


def _options(defaults: ConnectionDefaults) -> dict[str, Any]:
    fields = {
        "user": defaults.user,
        "password": defaults.password,
        "private_key_file": defaults.private_key_file,
        "timeout": defaults.timeout,
        "become": defaults.become,
        "become_user": defaults.become_user,
        "become_method": defaults.become_method,
        "become_password": defaults.become_password,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _read(
    values: Values, name: str, reader: Callable[[object], object], problems: SettingsReader
) -> object:
    value = _evaluate(values, name, problems)
    if value is None or value.value is None or value.value == "":
        return None
    try:
        return reader(value.value)
    except BadValue as error:
        detail = f"{name} must be {error}."
        problems.report("SVC146", "A connection variable has a wrong value", detail, value.where)
        return None


def _evaluate(values: Values, name: str, problems: SettingsReader) -> Value | None:
    try:
        return values.get(name)
    except Unusable as error:
        problems.report("SVC112", "A value can't be evaluated", str(error), error.where)
        return None


def _check_host_keys(values: Values, problems: SettingsReader) -> None:
    for name in _HOST_KEY_CHECKING:
        if name not in values:
            continue
        value = _evaluate(values, name, problems)
        if value is None:
            continue
        try:
            checked = _boolean(value.value)
        except BadValue:
            checked = False
        if not checked:
            refuse_unchecked(problems, name, value.where)


def refuse_unchecked(problems: SettingsReader, name: str, where: Location) -> None:
    """Report that host keys are always checked."""
    detail = (
        f"{name} is off, and svcform refuses that: whoever answered in the node's place would get "
        "a root shell and the become password. Pin the key with `svcform trust NODE` instead."
    )
    problems.report("SVC147", "Host keys are always checked", detail, where)


def note_ignored(values: Values, noted: set[str], problems: SettingsReader) -> None:
    """A notice, once a name, for ``ansible_*`` variables that svcform doesn't read.

    ``noted`` holds the names that were met before.
    """
    for name, layer in values.winners.items():
        if name.startswith("ansible_") and name not in HONOURED and name not in noted:
            noted.add(name)
            detail = f"svcform does not use {name}; it means something to Ansible only."
            where = layer.where(name, key=True)
            problems.report(
                "SVC148", "A variable of Ansible's is ignored", detail, where, Severity.NOTICE
            )
