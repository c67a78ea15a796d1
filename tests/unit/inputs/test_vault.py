"""Vaults: opened with a password, an error only where a value is used without."""

import subprocess
import sys
from pathlib import Path

import pytest

from svcform.inputs.inventory_list import inventory_list
from svcform.inputs.project import ProjectRequest
from svcform.inputs.vault import VaultFailed, VaultSecret, VaultText, decrypt
from tests.unit.inputs.small_projects import details, findings, node, write


def encrypt(text: str, folder: Path, label: str = "", password: str = "open sesame") -> str:
    """What ansible-vault itself makes of a text."""
    (folder / "secret").write_text(password + "\n")
    secret = f"{label}@{folder}/secret" if label else f"{folder}/secret"
    option = "--vault-id" if label else "--vault-password-file"
    encrypted = folder / "encrypted"
    encrypted.write_text(text)
    program = Path(sys.executable).with_name("ansible-vault")
    command = [program, "encrypt", option, secret, str(encrypted)]
    if label:
        command += ["--encrypt-vault-id", label]
    subprocess.run(command, capture_output=True, check=True)
    return encrypted.read_text()


@pytest.fixture(scope="module")
def ciphertext(tmp_path_factory) -> str:
    return encrypt("hunter2", tmp_path_factory.mktemp("vault"))


def project(folder: Path, ciphertext: str, variable: str = "ansible_become_password") -> Path:
    lines = "\n".join(f"          {line}" for line in ciphertext.splitlines())
    host = f"    edge-1:\n      {variable}: !vault |\n{lines}\n"
    (folder / "password").write_text("open sesame\n")
    return write(folder, inventory=f"all:\n  hosts:\n{host}", playbook="- hosts: all")


def test_a_value_is_decrypted_with_the_password(tmp_path: Path, ciphertext):
    folder = project(tmp_path, ciphertext)

    found = node(folder, vault_password_files=(str(folder / "password"),))

    assert found.connection.become_password == "hunter2"
    assert "hunter2" not in repr(found)


def test_without_a_password_a_used_value_is_an_error_at_its_place(tmp_path: Path, ciphertext):
    folder = project(tmp_path, ciphertext)

    assert findings(folder) == ["inventory.yml:4:32 SVC112 error"]
    assert "--vault-password-file" in details(folder)


def test_without_a_password_an_unused_value_does_no_harm(tmp_path: Path, ciphertext):
    assert findings(project(tmp_path, ciphertext, "db_password")) == []


def test_a_wrong_password_is_told(tmp_path: Path, ciphertext):
    folder = project(tmp_path, ciphertext)
    (folder / "password").write_text("wrong")

    assert "None of the given vault passwords" in details(
        folder, vault_password_files=(str(folder / "password"),)
    )


def test_a_wrong_secret_value_is_not_shown(tmp_path: Path, ciphertext):
    folder = project(tmp_path, ciphertext, "svcform_zone")
    (folder / "password").write_text("open sesame")
    lines = details(folder, vault_password_files=(str(folder / "password"),))

    assert "hunter2" not in lines


def test_several_passwords_are_tried_in_turn(tmp_path: Path):
    labelled = encrypt("labelled", tmp_path, "prod", "second")
    secrets = [VaultSecret(b"first", "dev"), VaultSecret(b"second", "other")]

    assert "1.2;AES256;prod" in labelled
    assert decrypt(VaultText(labelled), secrets) == "labelled"


@pytest.mark.parametrize(
    "damaged", ["", "$ANSIBLE_VAULT;1.1;AES256\nzz", "$ANSIBLE_VAULT;1.1;AES\n6"]
)
def test_a_damaged_vault_is_told(damaged):
    with pytest.raises(VaultFailed):
        decrypt(VaultText(damaged), [VaultSecret(b"x")])


def test_a_password_program_is_run(tmp_path: Path, ciphertext):
    folder = project(tmp_path, ciphertext)
    program = folder / "password.sh"
    program.write_text("#!/bin/sh\necho open sesame\n")
    program.chmod(0o755)

    found = node(folder, vault_password_files=(str(program),))

    assert found.connection.become_password == "hunter2"


def test_a_missing_password_file_is_told(tmp_path: Path, ciphertext):
    folder = project(tmp_path, ciphertext, "unused")

    assert findings(folder, vault_password_files=(str(folder / "no"),)) == ["no SVC110 error"]


def test_a_wholly_encrypted_file_is_left_out_with_a_warning(tmp_path: Path):
    encrypted = encrypt("zone: a\n", tmp_path)
    folder = write(tmp_path, **{"group_vars/all/vault.yml": encrypted})

    assert findings(folder) == ["group_vars/all/vault.yml SVC111 warning"]
    opened = node(folder, vault_password_files=(str(folder / "secret"),))
    assert opened.settings.zone == "a"


def test_a_listing_shows_no_secret(tmp_path: Path, ciphertext):
    folder = project(tmp_path, ciphertext)
    (folder / "host_vars").mkdir()
    (folder / "host_vars" / "edge-1.yml").write_text("ansible_password: in clear\nzone: a\n")
    password = str(folder / "password")

    listed, problems = inventory_list(
        ProjectRequest(project=folder, vault_password_files=(password,))
    )

    assert problems == []
    assert listed["_meta"]["hostvars"]["edge-1"] == {
        "ansible_become_password": "<vault>",
        "ansible_password": "<secret>",
        "zone": "a",
    }
