"""Firewalls that reload and restart between two applies: the Services work again by themselves."""

from __future__ import annotations

import pytest

from svcform.lab import lab as labs
from tests.systemd.edge import make_edge, spec

pytestmark = pytest.mark.root

#: How each comes into a node's life: what its package's postinst and its administrator do.
INSTALL = {
    "firewalld": """
        ln -s /dev/null /etc/systemd/system/polkit.service
        systemctl -q enable --now firewalld
        firewall-cmd -q --permanent --add-rich-rule='rule family=ipv4 source address=192.0.2.9 drop'
        systemctl reload firewalld
        firewall-cmd -q --state
    """,
    "nftables": """
        printf '%s\\n' '#!/usr/sbin/nft -f' 'flush ruleset' 'table inet filter {' \
            'chain input { type filter hook input priority filter; policy accept;' \
            'ip saddr 192.0.2.9 drop; }' '}' >/etc/nftables.conf
        systemctl -q enable --now nftables
    """,
    "netfilter-persistent": """
        iptables -A INPUT -s 192.0.2.9 -j DROP
        iptables -t nat -A POSTROUTING -s 192.0.2.9 -j MASQUERADE
        netfilter-persistent save
        systemctl -q enable --now netfilter-persistent
    """,
    "ufw": """
        cp /usr/share/ufw/iptables/*.rules /usr/share/ufw/*.conf /usr/share/ufw/*.init /etc/ufw/
        sed -i s/MANAGE_BUILTINS=no/MANAGE_BUILTINS=yes/ /etc/default/ufw
        ufw allow 22/tcp
        ufw deny from 192.0.2.9
        ufw --force enable
        systemctl -q enable --now ufw
    """,
    "docker": """
        groupadd -r docker
        systemctl -q enable --now docker
    """,
}
#: As Debian configures it: it sets policies, and leaves others' rules alone.
SPARING_UFW = INSTALL["ufw"].replace("MANAGE_BUILTINS=no/MANAGE_BUILTINS=yes", "x/x")
#: systemd sees nothing of these; both flush all of iptables (1.3.3).
FIREWALL_CMD = (
    ("--direct", "--add-rule", "ipv4", "filter", "INPUT", "0", "-s", "192.0.2.9", "-j", "DROP"),
    ("--reload",),
)
RELOADABLE = ("firewalld", "nftables", "docker")


@pytest.fixture(scope="module")
def lab(tmp_path_factory, firewalls):
    """A node for each firewall, and one where they come after svcform."""
    directory = tmp_path_factory.mktemp("systemd") / "lab"
    yield labs.up(spec(directory, firewalls, (*INSTALL, "bare")))
    labs.down(directory)


@pytest.fixture(scope="module", params=INSTALL)
def edge(request, lab, tmp_path_factory):
    """A node whose firewall runs, and after it svcform's Service.  In the end nothing is left."""
    made = make_edge(lab, request.param, tmp_path_factory.mktemp(request.param) / "project")
    made.sh(INSTALL[request.param])
    rules = made.foreign()
    applied = made.apply()
    assert applied.code == 0, applied.out + applied.err
    assert made.serves(), made.ask()
    yield made
    assert made.project.svcform("destroy", "--auto-approve").code == 0
    assert made.foreign() == rules, "the firewall's own rules"
    assert "svcform" not in made.sh("ls /etc/systemd/system /etc/systemd/system/*.wants")
    assert "svcform" not in made.run("systemctl", "list-units", "--all", "--no-legend")


def test_services_work_again_after_the_firewall(edge):
    """A restart, a reload and a start after a stop heal by themselves; what was open lives on."""
    client = edge.hold()
    reload = ["reload"] if edge.name in RELOADABLE else []
    for verb in ("restart", *reload, "stop", "start"):
        edge.run("systemctl", verb, edge.name)
        if edge.name == "firewalld" and verb != "stop":
            # systemd takes it for started, and for reloaded, before it has loaded its rules.
            edge.run("firewall-cmd", "--state")
        if verb != "stop":
            edge.await_service(f"after systemctl {verb} {edge.name}")
    for words in FIREWALL_CMD if edge.name == "firewalld" else ():
        edge.run("firewall-cmd", *words)
        edge.await_service(f"after firewall-cmd {' '.join(words)}")

    answer, _ = client.communicate("ask\n", timeout=180)
    assert answer.startswith(f"endpoint=endpoint-{edge.name} ")
    assert edge.pending() == ""


def test_firewalls_that_come_after_svcform(lab, tmp_path):
    """Each is started for the first time when Services are there; firewalld stops nftables."""
    edge = make_edge(lab, "bare", tmp_path / "project")
    applied = edge.apply()
    assert applied.code == 0, applied.out + applied.err
    edge.sh(SPARING_UFW)
    assert edge.run("iptables", "-S", "FORWARD").startswith("-P FORWARD DROP")
    assert edge.serves(), "through a FORWARD that closed after the apply"
    edge.sh("ufw --force disable; systemctl -q disable --now ufw")
    for name in ("nftables", "netfilter-persistent", "docker", "firewalld"):
        edge.sh(INSTALL[name])
        edge.await_service(f"after {name} was installed")
        edge.run("systemctl", "restart", name)
        edge.await_service(f"after {name} was restarted")
    assert edge.pending() == ""
