"""Where a connection leads and by what way: the inventory, the arguments and ssh_config in one."""

from __future__ import annotations

import dataclasses
import os
import pwd
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from svcform.errors import Unreachable
from svcform.model.node import Connection
from svcform.transport import ssh_arguments, ssh_config
from svcform.transport.known_hosts import SSH_PORT
from svcform.transport.options import SshOptions

_Values = dict[str, tuple[str, ...]]

_JUMPS = 8
_SYSTEM_KNOWN_HOSTS = "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"
_DEFAULT_KEYS = ("id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk")
_JUMP = re.compile(r"^(?:(?P<user>.*)@)?(?:\[(?P<v6>[^]]+)\]|(?P<host>[^:@]+))(?::(?P<port>\d+))?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One sshd and all that is needed to log in there.

    ``jumps`` are passed one after the other, the nearest first.  ``identity_files`` that the user
    named are ``named``; the default ones need not exist.  ``agent`` is the agent's socket, or
    empty.  ``known_hosts`` are searched in this order.
    """

    host: str
    port: int = 22
    user: str
    password: str | None = field(default=None, repr=False)
    identity_files: tuple[Path, ...] = ()
    named: bool = False
    identities_only: bool = False
    agent: str = ""
    host_key_alias: str = ""
    known_hosts: tuple[Path, ...] = ()
    proxy_command: str = ""
    jumps: tuple[Target, ...] = ()
    timeout: float = 10.0

    @property
    def label(self) -> str:
        """``user@host port 22`` for messages."""
        return f"{self.user}@{self.host} port {self.port}"

    @property
    def key_host(self) -> tuple[str, int]:
        """Under which host and port the key is known: an alias has no port."""
        return (self.host_key_alias, 0) if self.host_key_alias else (self.host, self.port)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    host: str
    given: _Values
    files: tuple[Path, ...]
    password: str | None = None
    timeout: float
    pinned: Path | None
    depth: int = 0


def resolve(connection: Connection, options: SshOptions) -> Target:
    """What ssh would do with this node, in ssh's precedence.

    Ansible hands port, user and key to ssh before ``ansible_ssh_common_args``, so they win over
    it; ``ssh_config`` fills in the rest.  Raises ``Unreachable`` for a way that can't be followed.
    """
    arguments = ssh_arguments.parse(connection.ssh_common_args)
    given: _Values = {}
    if connection.port:
        given["port"] = (str(connection.port),)
    if connection.user:
        given["user"] = (connection.user,)
    if connection.private_key_file:
        given["identityfile"] = (connection.private_key_file,)
    for keyword, values in arguments.values.items():
        if keyword in ssh_arguments.MANY:
            given[keyword] = (*given.get(keyword, ()), *values)
        else:
            given.setdefault(keyword, values)
    request = _Request(
        host=connection.host,
        given=given,
        files=_config_files(arguments.config_file, options),
        password=connection.password,
        timeout=float(connection.timeout),
        pinned=options.pinned_known_hosts,
    )
    return _resolve(request)


def ignored_arguments(connection: Connection) -> tuple[str, ...]:
    """What of ``ansible_ssh_common_args`` has no effect here, such as connection sharing."""
    return ssh_arguments.parse(connection.ssh_common_args).ignored


def home_directory() -> Path | None:
    """HOME, else the passwd entry's; None where there is neither."""
    if os.environ.get("HOME"):
        return Path(os.environ["HOME"])
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return None


def local_user() -> str:
    """Who runs us; empty for a uid without a passwd entry."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return os.environ.get("USER", "")


def _config_files(named: str, options: SshOptions) -> tuple[Path, ...]:
    if named:
        path = ssh_config.expand_home(named, home_directory())
        return () if named == "none" else (Path(path),)
    if options.config_files is not None:
        return options.config_files
    home = home_directory()
    user = (home / ".ssh/config",) if home is not None else ()
    return (*user, Path("/etc/ssh/ssh_config"))


def _resolve(request: _Request) -> Target:
    me = local_user()
    subject = ssh_config.Subject(
        host=request.host,
        user=request.given.get("user", (me,))[0],
        local_user=me,
        home=home_directory(),
    )
    values = ssh_config.read(request.files, subject, request.given)
    named = _one(values, "hostname") or request.host
    host = ssh_config.expand_tokens(named, {"h": request.host, "%": "%"})
    user = _one(values, "user") or me
    if not user:
        raise Unreachable(
            f"There is no user name to log in with at {host}.",
            remedy="Set ansible_user: this process' uid has no passwd entry.",
        )
    port = _port(_one(values, "port"), host)
    known = ssh_config.tokens(host=host, subject=subject, port=str(port), user=user)
    expand = _Expand(known, subject.home)
    files = tuple(Path(expand(f)) for f in values.get("identityfile", ()) if f.lower() != "none")
    jumps, proxy_command = _way(values, request, host=host, port=port)
    return Target(
        host=host,
        port=port,
        user=user,
        password=request.password,
        identity_files=files or _default_keys(subject.home, values),
        named="identityfile" in values,
        identities_only=_one(values, "identitiesonly").lower() == "yes",
        agent=_agent(_one(values, "identityagent"), expand),
        host_key_alias=_one(values, "hostkeyalias"),
        known_hosts=_known_hosts(values, request.pinned, expand),
        proxy_command=expand(proxy_command),
        jumps=jumps,
        timeout=request.timeout,
    )


@dataclass(frozen=True, slots=True)
class _Expand:
    tokens: Mapping[str, str]
    home: Path | None

    def __call__(self, text: str) -> str:
        text = ssh_config.expand_home(text, self.home)
        text = re.sub(r"\$\{(\w+)\}", lambda m: os.environ.get(m[1], ""), text)
        return ssh_config.expand_tokens(text, self.tokens)


def _one(values: _Values, keyword: str) -> str:
    return values.get(keyword, ("",))[0]


def _port(text: str, host: str) -> int:
    if not text:
        return SSH_PORT
    if text.isascii() and text.isdigit() and 0 < int(text) < 65536:
        return int(text)
    raise Unreachable(
        f"The SSH port of {host}, {text!r}, is no port number.",
        remedy="Mend Port in ssh_config or in ansible_ssh_common_args.",
    )


def _default_keys(home: Path | None, values: _Values) -> tuple[Path, ...]:
    if home is None or "identityfile" in values:
        return ()
    return tuple(home / ".ssh" / name for name in _DEFAULT_KEYS)


def _agent(setting: str, expand: _Expand) -> str:
    if setting.lower() == "none":
        return ""
    if setting in {"", "SSH_AUTH_SOCK"}:
        return os.environ.get("SSH_AUTH_SOCK", "")
    if setting.startswith("$") and not setting.startswith("${"):
        return os.environ.get(setting[1:], "")
    return expand(setting)


def _known_hosts(values: _Values, pinned: Path | None, expand: _Expand) -> tuple[Path, ...]:
    user = _one(values, "userknownhostsfile") or "~/.ssh/known_hosts ~/.ssh/known_hosts2"
    system = _one(values, "globalknownhostsfile") or _SYSTEM_KNOWN_HOSTS
    named = (*ssh_config.words(user), *ssh_config.words(system))
    paths = tuple(Path(expand(name)) for name in named if name.lower() != "none")
    return (pinned, *paths) if pinned is not None else paths


def _way(
    values: _Values, request: _Request, *, host: str, port: int
) -> tuple[tuple[Target, ...], str]:
    """The jump hosts and the proxy command; of the two the one that was found first counts."""
    for keyword in values:
        text = _one(values, keyword)
        if keyword == "proxycommand":
            return (), "" if text.lower() == "none" else text
        if keyword == "proxyjump":
            return _jumps(text, request, host=host, port=port), ""
    return (), ""


def _jumps(text: str, request: _Request, *, host: str, port: int) -> tuple[Target, ...]:
    """Only the first jump follows its own ssh_config's way: the others are reached through it."""
    if text.lower() in {"none", ""}:
        return ()
    if request.depth >= _JUMPS:
        raise Unreachable(
            f"The way to {request.host} leads through more than {_JUMPS} jump hosts.",
            remedy="Look for a ProxyJump in ssh_config that leads back to itself.",
        )
    chain: list[Target] = []
    for number, spec in enumerate(text.split(",")):
        jump = _resolve(_jump_request(spec.strip(), request, direct=True))
        if (jump.host, jump.port) == (host, port):
            return ()  # as in ssh, "Host *" with a ProxyJump doesn't send the jump host to itself
        if number == 0:
            jump = _resolve(_jump_request(spec.strip(), request, direct=False))
        chain += [*jump.jumps, dataclasses.replace(jump, jumps=())]
    return tuple(chain)


def _jump_request(spec: str, request: _Request, *, direct: bool) -> _Request:
    """A jump host takes nothing of the node's own: no password, no key, no port."""
    found = _JUMP.match(spec.removeprefix("ssh://").removesuffix("/"))
    if found is None:
        raise Unreachable(
            f"The ProxyJump {spec!r} on the way to {request.host} is no [user@]host[:port].",
            remedy="Mend ProxyJump in ssh_config or in ansible_ssh_common_args.",
        )
    given: _Values = {}
    if found["user"]:
        given["user"] = (found["user"],)
    if found["port"]:
        given["port"] = (found["port"],)
    if direct:
        given["proxyjump"] = ("none",)
    return dataclasses.replace(
        request,
        host=found["v6"] or found["host"],
        given=given,
        password=None,
        depth=request.depth + 1,
    )
