"""svcform's own services on a node, as text for whichever init system the node has.

A :class:`Unit` says what runs; :func:`unit_files` gives the files for an init system, and the other
functions the commands (argument vectors) that make it known, start, reload, stop and forget it.
Pure: backends put the files there and run the commands.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from svcform.model.facts import Init
from svcform.program.reading import shell_source

HEADER = "# svcform wrote this file, and writes it anew: changes made by hand are lost."
"""The line by which a file is known to be svcform's; it is the first, or stands after ``#!``."""

UNIT_FUNCTIONS = shell_source("unit.sh")
"""sh for the scripts of backends: enable_unit, disable_unit, is_enabled, act_on_unit FILE ..."""

SYSTEMD_FOLDER = "/etc/systemd/system"
INIT_FOLDER = "/etc/init.d"

_NAME = re.compile(r"svcform(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A service of svcform's own; all argument vectors begin with an absolute path.

    ``name`` is ``svcform`` or begins with ``svcform-``.  A unit either does something at its start
    and is done (``daemon`` false), or stays in the foreground and is started again when it fails.
    ``reload`` is a command, or the name of a signal (``"HUP"``) for a daemon, or empty.
    ``before_network`` starts it before any interface has an address.  It starts after those of the
    units ``after`` that there are.
    It follows the units in ``follows``: they start it, it starts after each, and again with it, and
    is reloaded with it (systemd only; elsewhere it only starts after them).  None of these may
    conflict with another.  Names are those of systemd, with the
    suffix.  With ``watches``, a folder, it is not started with them, but whenever something is made
    or written in there while they run (systemd only; elsewhere it has no files).
    ``open_files`` is the limit of open files, 0 for the system's.
    """

    name: str
    description: str
    command: tuple[str, ...]
    reload: tuple[str, ...] | str = ()
    daemon: bool = False
    before_network: bool = False
    after: tuple[str, ...] = ()
    follows: tuple[str, ...] = ()
    watches: str = ""
    open_files: int = 0

    def __post_init__(self) -> None:
        """Raise ValueError for a name that isn't svcform's, and words that don't fit in a line."""
        words = (*self.command, *self.reload, *self.after, *self.follows, self.watches)
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"not a name of svcform's: {self.name!r}")
        if not all(word.isprintable() for word in (self.description, *words)):
            raise ValueError(f"a line of {self.name} can't hold all of its words")


@dataclass(frozen=True, slots=True)
class UnitFile:
    """A file of a unit: absolute path, text, and permissions."""

    path: str
    text: str
    mode: int


def unit_files(unit: Unit, init: Init) -> tuple[UnitFile, ...]:
    """The unit's files; none where the node has no init system that svcform knows."""
    if unit.watches and init is not Init.SYSTEMD:
        return ()
    match init:
        case Init.SYSTEMD:
            path = f"{SYSTEMD_FOLDER}/{unit.name}"
            service = UnitFile(f"{path}.service", _text(_systemd(unit)), 0o644)
            if unit.watches:
                return (service, UnitFile(f"{path}.path", _text(_systemd_path(unit)), 0o644))
            return (service,)
        case Init.SYSV:
            return (UnitFile(f"{INIT_FOLDER}/{unit.name}", _text(_sysv(unit)), 0o755),)
        case Init.OPENRC:
            return (UnitFile(f"{INIT_FOLDER}/{unit.name}", _text(_openrc(unit)), 0o755),)
        case Init.NONE:
            return ()


Commands = tuple[tuple[str, ...], ...]
"""Argument vectors, to be run in their order until one fails."""


def enable(unit: Unit, init: Init) -> Commands:
    """After its files have come or changed: the next boot starts it."""
    return _call("enable_unit", unit, init)


def disable(unit: Unit, init: Init) -> Commands:
    """Before its files go: no boot starts it any more."""
    return _call("disable_unit", unit, init)


def forget(init: Init) -> Commands:
    """After files have gone."""
    return (("systemctl", "daemon-reload"),) if init is Init.SYSTEMD else ()


def start(unit: Unit, init: Init) -> Commands:
    """Start it, and wait until it has."""
    return _call("act_on_unit", unit, init, "start")


def restart(unit: Unit, init: Init) -> Commands:
    """Stop it if it runs, and start it."""
    return _call("act_on_unit", unit, init, "restart")


def reload(unit: Unit, init: Init) -> Commands:
    """Let it read its configuration again; only for a unit that has a ``reload``."""
    return _call("act_on_unit", unit, init, "reload")


def stop(unit: Unit, init: Init) -> Commands:
    """Stop it, and wait until it has ended."""
    return _call("act_on_unit", unit, init, "stop")


def _call(function: str, unit: Unit, init: Init, *words: str) -> Commands:
    script = f'{UNIT_FUNCTIONS}"$@"\n'
    return tuple(
        ("sh", "-c", script, "sh", function, file.path, *words) for file in unit_files(unit, init)
    )


def _text(lines: Iterator[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _systemd(unit: Unit) -> Iterator[str]:
    yield HEADER
    yield "[Unit]"
    yield f"Description={unit.description}"
    if not unit.daemon:
        # A firewall may be restarted as often as one likes.
        yield "StartLimitIntervalSec=0"
    after, before = [*unit.follows, *unit.after], []
    wants = []
    if unit.before_network:
        # Those that follow it may belong to sysinit.target, as nftables.service does in Debian:
        # with the default dependencies that would be a cycle.
        yield "DefaultDependencies=no"
        yield "Conflicts=shutdown.target"
        after = [
            "local-fs.target",
            "systemd-modules-load.service",
            "systemd-sysctl.service",
            *after,
        ]
        before = ["network-pre.target", "shutdown.target"]
        wants = ["network-pre.target"]
    yield "RequiresMountsFor=/var/lib/svcform"
    yield from _setting("Wants", wants)
    yield from _setting("After", after)
    yield from _setting("Before", before)
    if not unit.watches:
        yield from _setting("PartOf", unit.follows)
        yield from _setting("ReloadPropagatedFrom", unit.follows)
    yield ""
    yield from _systemd_service(unit)
    if unit.watches:
        return
    yield ""
    yield "[Install]"
    target = "sysinit.target" if unit.before_network else "multi-user.target"
    yield from _setting("WantedBy", unit.follows or (target,))


def _systemd_path(unit: Unit) -> Iterator[str]:
    yield HEADER
    yield "[Unit]"
    yield f"Description={unit.description}"
    yield from _setting("After", unit.follows)
    yield from _setting("PartOf", unit.follows)
    yield ""
    yield "[Path]"
    yield f"PathChanged={unit.watches}"
    yield ""
    yield "[Install]"
    yield from _setting("WantedBy", unit.follows)


def _systemd_service(unit: Unit) -> Iterator[str]:
    yield "[Service]"
    # A reload that comes while a oneshot still starts is lost; it runs beside a simple one.
    waits = unit.daemon or (unit.follows and not unit.watches)
    yield "Type=simple" if waits else "Type=oneshot"
    if unit.daemon:
        yield "Restart=on-failure"
    else:
        if not unit.watches:
            yield "RemainAfterExit=yes"
        # A script's pipes end by it.
        yield "IgnoreSIGPIPE=no"
    yield f"ExecStart={_systemd_line(unit.command)}"
    if isinstance(unit.reload, tuple):
        yield from _setting("ExecReload", (_systemd_line(unit.reload),) if unit.reload else ())
    else:
        yield f"ExecReload=/bin/kill -s {unit.reload} $MAINPID"
    if unit.open_files:
        yield f"LimitNOFILE={unit.open_files}"


def _setting(name: str, values: tuple[str, ...] | list[str]) -> Iterator[str]:
    if values:
        yield f"{name}={' '.join(values)}"


def _systemd_line(command: tuple[str, ...]) -> str:
    """A command line by the rules of systemd.service(5) and systemd.syntax(7)."""
    return " ".join(map(_systemd_word, command))


def _systemd_word(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return escaped if re.fullmatch(r"[\w@%+=:,./-]+", escaped) else f'"{escaped}"'


def _sysv(unit: Unit) -> Iterator[str]:
    yield "#!/bin/sh"
    yield HEADER
    yield "### BEGIN INIT INFO"
    yield f"# Provides:          {unit.name}"
    yield f"# Required-Start:    $local_fs{'' if unit.before_network else ' $network $syslog'}"
    yield "# Required-Stop:     $local_fs"
    yield f"# Should-Start:      {' '.join(_plain(unit.follows + unit.after, unit)) or '$null'}"
    if unit.before_network:
        yield "# X-Start-Before:    networking"
    yield f"# Default-Start:     {'S' if unit.before_network else '2 3 4 5'}"
    yield f"# Default-Stop:     {' 0 1 6' if unit.daemon else ''}"
    yield f"# Short-Description: {unit.description}"
    yield "### END INIT INFO"
    # Red Hat's network is 10; its iptables, which comes before, 08.
    yield f"# chkconfig: 2345 {'09' if unit.before_network else '90'} 10"
    yield f"# description: {unit.description}"
    yield from _limit(unit)
    if unit.daemon:
        yield from _DAEMON.replace("@NAME@", unit.name).splitlines()
    yield from _verbs(unit)


def _limit(unit: Unit) -> Iterator[str]:
    if unit.open_files:
        yield f"ulimit -n {unit.open_files}"


#: A process is known by its number and by when it started, as numbers are used again.  HAProxy's
#: master waits for a worker that hangs: after ten seconds all that it has started is killed.
_DAEMON = r"""pidfile=/run/@NAME@.pid
started() { sed -n 's/.*) \([^ZX] .*\)/\1/p' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20; }
running() {
	read -r pid start <"$pidfile" && [ -n "$start" ] && [ "$(started "$pid")" = "$start" ]
} 2>/dev/null
begin() {
	running && return
	setsid "$@" </dev/null >/dev/null 2>&1 &
	printf '%s %s\n' $! "$(started $!)" >"$pidfile"
	sleep 0.3 2>/dev/null || sleep 1
	running
}
end() {
	! running || kill "$pid"
	until=$(($(cut -d . -f 1 /proc/uptime) + 10))
	while running; do
		[ "$(cut -d . -f 1 /proc/uptime)" -lt $until ] || kill -9 "-$pid"
		sleep 0.1 2>/dev/null || sleep 1
	done
	rm -f "$pidfile"
}"""


def _verbs(unit: Unit) -> Iterator[str]:
    command = shlex.join(unit.command)
    begin, end = (f"begin {command}", "end") if unit.daemon else (command, ":")
    yield "case $1 in"
    yield f"start) {begin} ;;"
    yield f"stop) {end} ;;"
    yield f"restart | force-reload) {end} && {begin} ;;"
    if unit.reload:
        yield f"reload) {_reload_line(unit)} ;;"
    if unit.daemon:
        yield "status) running ;;"
    yield '*) echo "usage: $0 start|stop|restart|reload" >&2 && exit 2 ;;'
    yield "esac"


def _reload_line(unit: Unit) -> str:
    if isinstance(unit.reload, str):
        return f'running && kill -s {unit.reload} "$pid"'
    return shlex.join(unit.reload)


def _openrc(unit: Unit) -> Iterator[str]:
    yield "#!/sbin/openrc-run"
    yield HEADER
    yield f"description={shlex.quote(unit.description)}"
    if unit.daemon:
        yield "supervisor=supervise-daemon"
        yield f"command={shlex.quote(unit.command[0])}"
        yield f"command_args={shlex.quote(shlex.join(unit.command[1:]))}"
        if unit.open_files:
            yield f"rc_ulimit='-n {unit.open_files}'"
    else:
        yield from _function("start", f"{shlex.join(unit.command)}")
    if unit.reload:
        yield "extra_started_commands=reload"
        line = (
            f'supervise-daemon "$RC_SVCNAME" --signal {unit.reload}'
            if isinstance(unit.reload, str)
            else shlex.join(unit.reload)
        )
        yield from _function("reload", line)
    yield "depend() {"
    yield "\tneed localmount" if unit.before_network else "\tneed localmount net"
    names = " ".join(_plain(unit.follows + unit.after, unit))
    if names:
        yield f"\tafter {names}"
    if unit.before_network:
        yield "\tbefore net"
    yield "}"


def _function(name: str, line: str) -> Iterator[str]:
    yield f"{name}() {{"
    yield f"\t{line}"
    yield "}"


def _plain(names: tuple[str, ...], unit: Unit) -> Iterator[str]:
    """Services of systemd's by the names that other init systems have for them."""
    for name in names:
        service, _, suffix = name.rpartition(".")
        if suffix == "service" and service != unit.name:
            yield service
