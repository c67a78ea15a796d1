"""Values and files encrypted by ansible-vault (format 1.1 and 1.2, AES256).

The format is that of ansible-core 2.19, ``parsing/vault/__init__.py``.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import subprocess
from binascii import Error as BadHex
from binascii import unhexlify
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from svcform.diagnostics import Diagnostic, Location, Severity

_HEADER = re.compile(r"\$ANSIBLE_VAULT;1\.[12];AES256(?:;(?P<label>.+))?")
_ITERATIONS = 10_000
_PROGRAM_TIMEOUT = 60


class VaultFailed(Exception):
    """A vault text can't be decrypted; the text says why, in a full sentence."""


@dataclass(frozen=True, slots=True)
class VaultText:
    """A value that is still encrypted."""

    ciphertext: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class VaultSecret:
    """A password of a vault; ``label`` is the vault id or empty."""

    password: bytes = field(repr=False)
    label: str = ""


def is_vault(text: str) -> bool:
    """Whether a whole file is encrypted."""
    return text.startswith("$ANSIBLE_VAULT;")


def decrypt(vault: VaultText, secrets: Sequence[VaultSecret]) -> str:
    """The plain text; each secret is tried, those with the text's own vault id first.

    Raises VaultFailed without a secret, with none that fits, and for a damaged text.
    """
    label, salt, signature, ciphertext = _parse(vault.ciphertext)
    if not secrets:
        raise VaultFailed(
            "The value is encrypted by ansible-vault: give --vault-password-file to use it."
        )
    for secret in sorted(secrets, key=lambda secret: secret.label != label):
        plain = _open(secret.password, salt, signature, ciphertext)
        if plain is not None:
            return plain
    hint = f" of the vault id {label!r}" if label else ""
    raise VaultFailed(f"None of the given vault passwords opens the value; give the one{hint}.")


def read_secrets(arguments: Sequence[str]) -> tuple[tuple[VaultSecret, ...], list[Diagnostic]]:
    """The passwords behind ``--vault-password-file`` (``FILE`` or ``LABEL@FILE``).

    As in Ansible an executable file is run and its standard output is the password.
    """
    secrets: list[VaultSecret] = []
    problems: list[Diagnostic] = []
    for argument in arguments:
        label, at, name = argument.partition("@")
        path, label = (Path(name), label) if at and label else (Path(argument), "")
        try:
            password = _read_password(path.expanduser(), label).strip()
        except (OSError, subprocess.SubprocessError, RuntimeError) as error:
            detail = f"The vault password can't be had from {path}: {_reason(error)}."
        else:
            if password:
                secrets.append(VaultSecret(password, label))
                continue
            detail = f"The vault password file {path} is empty."
        problems.append(
            Diagnostic(
                "SVC110",
                Severity.ERROR,
                "A vault password can't be read",
                detail,
                Location(str(path)),
            )
        )
    return tuple(secrets), problems


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or "it can't be read"
    if isinstance(error, subprocess.CalledProcessError):
        return f"the program ended with {error.returncode}"
    return "the program did not end in time"


def _read_password(path: Path, label: str) -> bytes:
    if not os.access(path, os.X_OK) or path.is_dir():
        return path.read_bytes()
    command = [str(path.absolute())]
    if path.stem.endswith("-client"):
        command += ["--vault-id", label or "default"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=_PROGRAM_TIMEOUT)
    return done.stdout


def _parse(text: str) -> tuple[str, bytes, bytes, bytes]:
    lines = text.strip().split("\n")
    header = _HEADER.fullmatch(lines[0].strip())
    if header is None:
        raise VaultFailed(
            "The value is marked as a vault, but doesn't begin with $ANSIBLE_VAULT;1.1;AES256: "
            "encrypt it again with ansible-vault."
        )
    try:
        salt, signature, ciphertext = unhexlify("".join(part.strip() for part in lines[1:])).split(
            b"\n", 2
        )
        parts = unhexlify(salt), unhexlify(signature), unhexlify(ciphertext)
    except (BadHex, ValueError) as error:
        raise VaultFailed("The vault value is damaged: restore it from its source.") from error
    return header["label"] or "", *parts


def _open(password: bytes, salt: bytes, signature: bytes, ciphertext: bytes) -> str | None:
    keys = hashlib.pbkdf2_hmac("sha256", password, salt, _ITERATIONS, dklen=80)
    computed = hmac.digest(keys[32:64], ciphertext, "sha256")
    if not hmac.compare_digest(computed, signature):
        return None
    decryptor = Cipher(AES(keys[:32]), CTR(keys[64:80])).decryptor()
    padded = decryptor.update(ciphertext) + decryptor.finalize()
    return padded[: -padded[-1]].decode("utf-8", errors="replace")
