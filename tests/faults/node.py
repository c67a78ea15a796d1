"""A node of the lab from the inside: its processes, its state, and places where it holds still."""

from __future__ import annotations

import difflib
import json
import os
import re
import signal
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from svcform.lab.lab import Lab
from svcform.lab.sshd import find_sshd
from tests.faults.modes import IPTABLES, Mode

STATE = "/var/lib/svcform"
#: The rule of a person who works on the node at the same time.
IN_INPUT = "-A INPUT -s 198.51.100.7/32 -m comment --comment by-hand -j ACCEPT"
#: Theirs from before the plan: it makes the table, in which svcform's FORWARD then belongs.
IN_TABLE = "-A INPUT -s 198.51.100.6/32 -j ACCEPT"
_BREAK = "/run/break"
#: What a state folder holds when nothing is going on.
_KEPT = frozenset(
    [
        *("confirmed", "previous", "host", "layout", "project", "receipts"),
        *("reading", "runner", "runs", "services.tsv"),
    ]
)
_FILES = (
    *("project", "layout", "services.tsv", "host/record"),
    *("confirmed/*", "confirmed/*/*", "previous/*", "previous/*/*"),
)
_PHASES = (
    *("settings that come", "ip filter", "ip nat", "nft: changes", "settings that go", "conntrack"),
)
_TOOLS = "/usr/local/sbin"  # first in sudo's secure_path
_LOOK = r"""
for tool in iptables-nft ip6tables-nft iptables-legacy ip6tables-legacy; do
	echo "== $tool"; $tool-save
done
for family in ip ip6; do echo "== nft $family"; nft -j list table $family svcform 2>/dev/null; done
echo "== sysctls"
cd /proc/sys/net && for path in ipv4/ip_forward ipv4/conf/all/route_localnet \
	ipv6/conf/all/forwarding; do echo "$path $(cat $path)"; done
echo "== routes"; ip route; ip -6 route
"""
_WRAPPER = """\
#!/bin/sh
# more
exec {real} "$@"
"""
_CASE = """\
case " $* " in
{pattern}) if {given} && /bin/mkdir {place}/{mark} 2>/dev/null; then {action}; fi ;;
esac
"""
#: Says where it is, and waits there until somebody writes to the fifo.
_WAIT = "echo $$ >{place}/reached.new; /bin/mv {place}/reached.new {place}/reached; : <{place}/go"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Where a node holds still: before or after a tool is run with arguments that match.

    ``pattern`` is the shell's, for the arguments with a space on both sides.  ``given`` is a
    command that has to succeed, too.  With ``half`` the tool is ``cat``, amid its input.
    """

    tool: str
    pattern: str = "*"
    after: bool = False
    given: str = ":"
    half: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """What a tool does instead where its arguments match; only the first of those with a mark."""

    tool: str
    pattern: str
    action: str
    given: str = ":"
    mark: str = "stopped"


@dataclass(slots=True)
class Node:
    """One node; its old state is what :meth:`remember` saw, and so are the program's steps."""

    lab: Lab
    name: str
    mode: Mode = IPTABLES
    steps: dict[str, str] = field(default_factory=dict)
    old: dict[str, str] = field(default_factory=dict)
    new: dict[str, str] = field(default_factory=dict)

    # ---- looking

    @property
    def root(self) -> Path:
        return Path(f"/proc/{self.lab.state['nodes'][self.name]['pid']}/root")

    def sh(self, script: str, *, check: bool = True) -> str:
        text = f"PATH=/usr/sbin:/usr/bin:/sbin:/bin\n{script}"
        done = self.lab.run(self.name, ["/bin/sh", "-c", text])
        assert not check or done.returncode == 0, f"{script}: {done.stderr.decode()}"
        return done.stdout.decode()

    def look(self) -> dict[str, str]:
        """All that an apply can change, by what it is."""
        parts = re.split(r"(?m)^== (.*)\n", self.sh(_LOOK))[1:]
        found = dict(zip(parts[::2], parts[1::2], strict=True))
        listed = {k: _LISTINGS.get(k.partition(" ")[0], str)(v) for k, v in found.items()}
        return listed | self._files()

    def _files(self) -> dict[str, str]:
        """The files of a state folder that nothing is going on in."""
        folder = self.root / STATE[1:]
        paths = {path for pattern in _FILES for path in folder.glob(pattern)}
        return {
            f"file {path.relative_to(folder)}": path.read_text()
            for path in sorted(paths)
            if path.is_file() and path.name != "meta"
        }

    def processes(self) -> dict[int, str]:
        """What runs on the node, other than its init and its sshd: by the ids that they have there.

        Its own /proc misses nobody who lives on, as a list of children may (proc(5)).
        """
        found = {}
        for entry in os.scandir(self.root / "proc"):
            if entry.name.isdigit() and entry.name != "1":
                words = _words(Path(entry.path))
                if words and "[listener]" not in words:
                    found[int(entry.name)] = words
        return found

    def signal(self, pid: int, number: int) -> None:
        """Send a signal to one of the node's processes, by its id there; nothing where it ended."""
        with suppress(OSError):
            place = os.open(self.root / f"proc/{pid}", os.O_RDONLY | os.O_DIRECTORY)
            try:
                signal.pidfd_send_signal(place, number)
            finally:
                os.close(place)

    def run_folder(self) -> Path | None:
        """The folder of the run that is under way, or was last."""
        runs = self.root / STATE[1:] / "runs"
        found = [path for path in runs.glob("*") if (path / "meta").exists()]
        return max(found, key=lambda path: path.stat().st_mtime, default=None)

    def pid_of(self, who: str) -> int | None:
        """The pid, on the node, of the run's worker or guard where it still runs."""
        folder = self.run_folder()
        try:
            pid = int((folder / who).read_text().split()[0]) if folder else 0
        except OSError:
            return None
        return pid if pid in self.processes() else None

    def outcome(self) -> str:
        folder = self.run_folder()
        try:
            return (folder / "outcome").read_text().strip() if folder else ""
        except OSError:
            return ""

    def run_log(self) -> str:
        """What the last run left, for people."""
        folder = self.run_folder()
        names = ("phase", "journal", "outcome", "detail", "failed", "log")
        found = [folder / name for name in names if folder and (folder / name).exists()]
        return "".join(f"{path.name}: {path.read_text()}" for path in found)

    # ---- judging

    def state(self, seen: dict[str, str] | None = None) -> str:
        now = self._ours(self.look() if seen is None else seen)
        return next(
            (word for word in ("old", "new") if now == self._ours(getattr(self, word))), "neither"
        )

    def _ours(self, seen: dict[str, str]) -> dict[str, str]:
        def is_ours(line: str) -> bool:
            return line not in {IN_INPUT, IN_TABLE} and self.mode.trace not in line

        return {key: "\n".join(filter(is_ours, text.split("\n"))) for key, text in seen.items()}

    def differences(self) -> list[str]:
        """From the old state, and from the new one, by line."""
        now, found = self.look(), []
        for word, known in (("old", self.old), ("new", self.new)):
            for key in sorted(now | known):
                before, after = known.get(key, "").split("\n"), now.get(key, "").split("\n")
                lines = [x for x in difflib.ndiff(before, after) if x[0] in "+-"]
                found += [f"{word}: {key}: {line}" for line in lines]
        return found

    def has_lock(self) -> bool:
        return (self.root / STATE[1:] / "lock").exists()

    def has_hand_made_rule(self, seen: dict[str, str]) -> bool:
        return any(self.mode.trace in text for text in seen.values())

    def last_receipt(self) -> str:
        """What it says became of the last run that the node tells of."""
        receipts = sorted((self.root / STATE[1:] / "receipts").glob("[0-9]*"))
        text = receipts[-1].read_text() if receipts else ""
        return text.partition("\noutcome\t")[2].partition("\n")[0]

    def litter(self) -> list[str]:
        """What has no business in the state folder once nothing runs."""
        folder = self.root / STATE[1:]
        found = [p.name for p in folder.iterdir() if p.name not in _KEPT]
        runs = folder / "runs"
        unfinished = [p for p in runs.glob("*") if not (p / "outcome").exists()]
        return [
            f"left behind: {name}" for name in (*found, *(f"runs/{p.name}" for p in unfinished))
        ]

    # ---- holding still

    def stop_at(self, stop: Stop, phase: str = "") -> None:
        """Let the node hold still once it gets there; ``phase`` names a step of the program."""
        action = _WAIT.format(place=_BREAK)
        if stop.after:
            action = f'{{real}} "$@"; code=$?; {action}; exit $code'
        if stop.half:
            # dd takes a byte at a time from a pipe, and so no more than it should.
            action = f"/bin/dd bs=1 count=5000 2>/dev/null; {action}"
        pattern = stop.pattern.replace("@STEP@", self.steps.get(phase, ""))
        self.wrap(Case(stop.tool, pattern, action, given=stop.given))

    def fail_at(self, phase: str) -> None:
        """Let a step of the program do its work, and fail."""
        pattern = f"*step.{self.steps[phase]}.command*"
        self.wrap(Case("sh", pattern, '{real} "$@"; exit 3', mark="failed"))

    def wrap(self, case: Case) -> None:
        """Do something else the first time that a tool is run with such arguments."""
        real = self.sh(f"command -v {case.tool}").strip()
        path = self.root / _TOOLS[1:] / case.tool
        text = path.read_text() if path.exists() else _WRAPPER.format(real=real)
        values = {"{real}": real, "{place}": _BREAK}
        lines = _CASE.replace("{action}", case.action)
        for key in ("pattern", "given", "mark"):
            values[f"{{{key}}}"] = getattr(case, key)
        for key, value in values.items():
            lines = lines.replace(key, value)
        path.write_text(text.replace("# more\n", f"{lines}# more\n"))
        path.chmod(0o755)

    def reached(self) -> bool:
        return (self.root / f"{_BREAK[1:]}/reached").exists()

    def release(self) -> None:
        """Let go of what holds still, unless it was killed; it may not be listening yet."""

        def write() -> bool:
            try:
                os.close(os.open(self.root / f"{_BREAK[1:]}/go", os.O_WRONLY | os.O_NONBLOCK))
            except OSError:
                return not self.is_held()
            return True

        if wait_until(write, 60):
            (self.root / f"{_BREAK[1:]}/reached").unlink(missing_ok=True)

    def is_held(self) -> bool:
        """Whether the process lives that holds still."""
        with suppress(OSError):
            return int((self.root / f"{_BREAK[1:]}/reached").read_text()) in self.processes()
        return False

    # ---- between two cells

    def arrange(self) -> None:
        """What :meth:`stop_at` needs; a reboot takes it away."""
        self.sh(f"umask 022; mkdir {_BREAK} && mkfifo {_BREAK}/go && mount -t tmpfs tools {_TOOLS}")

    def remember(self) -> None:
        """Take what is for the old state, to which :meth:`reset` comes back."""
        self.sh(
            f"rm -rf /var/kept; mkdir /var/kept; cp -a {STATE} /var/kept/state;"
            " rm -rf /var/kept/state/runs/*; cp -a /etc/sudoers /etc/rc*.d /etc/init.d /var/kept;"
            " for t in iptables-nft ip6tables-nft iptables-legacy ip6tables-legacy;"
            " do $t-save >/var/kept/$t; done"
        )
        self.old = self.look()

    def hold(self, who: Callable[[str], bool] = bool) -> set[int]:
        """Stop all whose words are such, so that none of them sees what becomes of another."""
        held: set[int] = set()
        while fresh := {pid for pid, words in self.processes().items() if who(words)} - held:
            for pid in fresh:
                self.signal(pid, signal.SIGSTOP)
            held |= fresh
        return held

    def kill(self, pids: Collection[int]) -> None:
        """Returns when they are dead: who looks for them next must not find them."""
        for pid in pids:
            self.signal(pid, signal.SIGKILL)
        wait_until(lambda: not self.processes().keys() & pids, 60)

    def kill_all(self, who: Callable[[str], bool] = bool) -> None:
        self.kill(self.hold(who))

    def await_quiet(self, seconds: float = 300.0) -> dict[int, str]:
        """Wait until nothing runs any more; what still does."""
        wait_until(lambda: not self.processes(), seconds)
        return self.processes()

    def reset(self) -> None:
        """Back to the old state, by other means than svcform's."""
        self.kill_all()
        self.lab.mend(self.name)
        known = map(str.split, self.old["sysctls"].splitlines())
        settings = "".join(f"echo {value} >/proc/sys/net/{path}\n" for path, value in known)
        self.sh(
            f"umount {STATE} 2>/dev/null; umount {_TOOLS} 2>/dev/null; rm -rf {_BREAK}"
            f" {STATE}; cp -a /var/kept/state {STATE}; cp -a /var/kept/sudoers /etc/sudoers;"
            " rm -rf /etc/rc*.d /etc/init.d; cp -a /var/kept/rc*.d /var/kept/init.d /etc;"
            f" {self.mode.load}\n{settings}"
        )
        if not self.sh("pidof sshd", check=False):
            self.start_sshd()
        self.arrange()

    def start_sshd(self) -> None:
        self.sh(f"{find_sshd()} -E /var/log/sshd.log")

    def learn(self) -> None:
        """Take what is for the new state, and the last run's steps for those that lead there."""
        self.new = self.look()
        folder = self.run_folder()
        assert folder is not None
        for line in (folder / "steps").read_text().splitlines():
            number, _, summary = line.partition("\t")
            for phase in _PHASES:
                if phase in summary:
                    self.steps[phase] = number

    def syslog(self) -> str:
        return (self.root / "var/log/syslog").read_text()


def wait_until(condition: Callable[[], object], seconds: float) -> bool:
    """Whether it came true in time."""
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            return False
        time.sleep(0.04)
    return True


def _words(process: Path) -> str:
    """A process's command line, from its folder in a /proc; nothing where it has ended."""
    with suppress(OSError):
        name, _, rest = (process / "stat").read_text().rpartition(")")
        if rest.split()[0] not in "ZX":
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            # In the middle of an exec there are none.
            return words or name
    return ""


def _normal(text: str) -> str:
    """A listing without counters and comments, chains by name, and no tables that are empty."""
    tables: dict[str, dict[str, list[str]]] = {}
    table: dict[str, list[str]] = {}
    for line in text.splitlines():
        words = line.split()
        if line.startswith("*"):
            table = tables.setdefault(line, {})
        elif line.startswith(":"):
            table.setdefault(words[0][1:], []).insert(0, f"{words[0]} {words[1]}")
        elif line.startswith("-A"):
            table.setdefault(words[1], []).append(line)
    lines = []
    for name, chains in sorted(tables.items()):
        if any(len(rules) > 1 or rules[0].endswith(" -") for rules in chains.values()):
            lines.append(name)
            lines += [line for chain in sorted(chains) for line in chains[chain]]
    return "\n".join(lines)


def _normal_json(text: str) -> str:
    """What nft lists as JSON, a line for each thing, in an order of our own but for rules."""
    lines: list[str] = []
    rules: dict[str, list[str]] = {}
    for entry in json.loads(text)["nftables"] if text.strip() else []:
        for kind, listed in entry.items():
            thing = {k: v for k, v in listed.items() if k not in {"handle", "index"}}
            elements = thing.pop("elem", [])
            if kind == "rule":
                rules.setdefault(thing["chain"], []).append(json.dumps(thing))
            elif kind != "metainfo":
                lines.append(json.dumps({kind: thing}))
                lines += [f"{thing['name']}: {json.dumps(element)}" for element in elements]
    return "\n".join([*sorted(lines), *(rule for chain in sorted(rules) for rule in rules[chain])])


_LISTINGS: dict[str, Callable[[str], str]] = {
    **{f"{t}-{v}": _normal for t in ("iptables", "ip6tables") for v in ("nft", "legacy")},
    "nft": _normal_json,
}
