"""A login that ends in the middle of an apply, with all that logind takes for its own."""

from __future__ import annotations

import re
import time

import pytest

from svcform.lab import lab as labs
from tests.systemd.edge import make_edge, spec

pytestmark = pytest.mark.root

#: logind ends what a session leaves behind, and sudo gives commands a terminal that ends with it.
STRICT = """
mkdir -p /etc/systemd/logind.conf.d
printf '[Login]\\nKillUserProcesses=yes\\n' >/etc/systemd/logind.conf.d/strict.conf
systemctl restart systemd-logind
echo 'Defaults use_pty' >>/etc/sudoers
"""
#: The first iptables-restore that is no rehearsal waits until somebody writes to the fifo.
HOLD = """
mount -t tmpfs -o mode=755 held /usr/local/sbin
mkdir /run/held && mkfifo /run/held/go
cat >/usr/local/sbin/iptables-nft-restore <<'EOF'
#!/bin/sh
case " $* " in *" --test "*) ;; *) ! mkdir /run/held/here 2>/dev/null || cat </run/held/go ;; esac
exec /usr/sbin/iptables-nft-restore "$@"
EOF
chmod +x /usr/local/sbin/iptables-nft-restore
"""
END_SESSIONS = """
loginctl list-sessions --no-legend | awk '$3 == "ops" { print $1 }' |
    xargs -r loginctl terminate-session || true # or they end by themselves
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory, firewalls):
    directory = tmp_path_factory.mktemp("sessions") / "lab"
    yield labs.up(spec(directory, firewalls, ("followed", "forsaken")))
    labs.down(directory)


def _control_group(edge, who):
    (pid,) = edge.sh(f"cut -d ' ' -f 1 /var/lib/svcform/runs/*/{who}").split()
    return edge.run("cat", f"/proc/{pid}/cgroup").strip()


def _await(edge, condition, why):
    limit = time.monotonic() + 300
    while not edge.sh(f"if {condition}; then echo so; fi"):
        assert time.monotonic() < limit, why
        time.sleep(0.1)


@pytest.mark.parametrize("node", ["followed", "forsaken"])
def test_an_apply_outlives_the_login_it_came_by(lab, tmp_path, node):
    """It is followed again and confirmed; with nobody there to confirm it, the node goes back."""
    edge = make_edge(lab, node, tmp_path / "project")
    edge.sh(STRICT + HOLD)
    rules = edge.foreign()
    edge.ssh("setsid sleep 1234 >/dev/null 2>&1 </dev/null & echo $!")
    # Who is followed may be so late on a busy machine.
    apply = edge.start_apply("--confirm-timeout", "60" if node == "followed" else "5")
    _await(edge, "[ -d /run/held/here ]", "the step was never reached")

    groups = {who: _control_group(edge, who) for who in ("worker", "guard")}
    assert re.search(r"/system.slice/svcform-work-[0-9a-f]+\.service$", groups["worker"])
    assert re.search(r"/system.slice/svcform-guard-[0-9a-f]+\.service$", groups["guard"])
    if node == "forsaken":
        apply.kill()
    edge.sh(END_SESSIONS)
    _await(edge, "! pgrep -f 'sleep [1]234' >/dev/null", "processes of the sessions are left")
    edge.sh("echo go >/run/held/go")
    said = apply.communicate(timeout=300)
    _await(
        edge, "! pgrep -f '[/]var/lib/svcform/runs' >/dev/null", "something of svcform's still runs"
    )

    left = edge.run(
        "systemctl", "list-units", "--all", "--no-legend", "svcform-work*", "svcform-guard*"
    )
    assert left == ""
    if node == "followed":
        assert apply.returncode == 0, said
        assert edge.serves()
    else:
        assert "rolled-back" in edge.sh("cat /var/lib/svcform/receipts/*")
        assert edge.foreign() == rules
        assert "SVCFORM" not in edge.run("nft", "list", "ruleset")
