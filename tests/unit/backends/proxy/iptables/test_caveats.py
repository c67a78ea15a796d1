"""What stands in the way of Services is found by name."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from svcform.backends.contract import Reading, Status
from svcform.backends.proxy.iptables import IPTABLES
from svcform.diagnostics import Severity
from svcform.errors import ReadingFailed, ToolMissing
from svcform.lang.nft.forward import foreign_drops
from svcform.model.facts import Facts
from svcform.model.settings import ProxyMode
from tests.unit.backends.proxy.iptables.conftest import Kernel
from tests.unit.backends.proxy.iptables.workspaces import everything, intent

WANTED = intent(everything())
NAMES = ("iptables", "ip6tables", "iptables-nft", "ip6tables-nft")
FACTS = Facts(tools=dict.fromkeys(NAMES, "iptables v1.8.9 (nf_tables)"))


RESTORE = "-j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff"


def _codes(given: dict[str, str], facts: Facts = FACTS) -> list[str]:
    return [found.code for found in _found(given, facts)]


def _found(given: dict[str, str], facts: Facts = FACTS):
    readings = {
        name: Reading(status=Status.READ, output=text.encode()) for name, text in given.items()
    }
    return IPTABLES.caveats(readings, facts, WANTED)


def _listing(rules: str, policy: str = "ACCEPT") -> str:
    return f"*filter\n:INPUT ACCEPT [0:0]\n:FORWARD {policy} [0:0]\n{rules}COMMIT\n"


FIREWALL = """\
table inet fw {
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
		iifname "eth0" accept comment "a } b {"
	}

	chain input {
		type filter hook input priority filter; policy drop;
	}
}
"""


def test_a_clean_node_has_none():
    assert _codes({"iptables.nft.ip": _listing(""), "iptables.legacy.ip": ""}) == []


def test_a_foreign_table_that_drops_is_named_with_what_mends_it():
    (found,) = _found({"iptables.nft.foreign": FIREWALL})
    assert (found.code, found.severity) == ("SVC402", Severity.WARNING)
    assert "nft insert rule inet fw forward ct status dnat accept" in found.detail


def test_a_foreign_table_that_lets_translated_connections_through_is_none():
    for counter in ("", "counter packets 12 bytes 3456 "):
        mended = FIREWALL.replace("ct state", f"ct status dnat {counter}accept\n\t\tct state")
        assert list(foreign_drops(mended, "here")) == []


def test_a_chain_that_ends_in_reject_drops_as_well():
    closing = FIREWALL.replace("policy drop", "policy accept").replace(
        '\t\tiifname "eth0"', "\t\treject with icmpx admin-prohibited\n\t\tiifname"
    )
    assert len(list(foreign_drops(closing, "here"))) == 1


@pytest.mark.root
@pytest.mark.parametrize("kernel", ["nft"], indirect=True)
@pytest.mark.parametrize(
    ("mode", "cut", "mended"),
    [
        (ProxyMode.IPTABLES, ["forward"], "ct status dnat accept"),
        (ProxyMode.USERSPACE, ["input"], "ct status dnat accept"),
        (ProxyMode.IPVS, ["forward", "input"], "ct mark and 0xc0000000 == 0x40000000 accept"),
        (ProxyMode.NFTABLES, [], ""),
    ],
)
def test_what_has_to_get_through_a_foreign_table_depends_on_the_mode(
    kernel: Kernel, mode: ProxyMode, cut: list[str], mended: str
):
    """A table as nft lists it, before and after its own commands of the warnings were given."""
    wanted = replace(WANTED, settings=replace(WANTED.settings, proxy_mode=mode))

    def told() -> list[str]:
        return [f.detail for f in IPTABLES.caveats(kernel.readings(), FACTS, wanted)]

    kernel.run("nft", "-f", "-", given=FIREWALL.encode())
    found = told()
    assert [re.findall(r"the chain (\w+) of", detail) for detail in found] == [[c] for c in cut]
    for detail in found:
        assert detail.endswith(mended)
        kernel.run("sh", "-c", detail.rpartition("through: ")[2])
    assert told() == []


def test_forward_of_the_other_variant_drops():
    found = _found({"iptables.legacy.ip": _listing("", policy="DROP")})
    assert [f.code for f in found] == ["SVC403"]
    assert "iptables-legacy -w -I FORWARD" in found[0].detail


def test_a_policy_of_drop_in_our_own_variant_is_none_since_our_jump_accepts():
    assert _codes({"iptables.nft.ip": _listing("", policy="DROP")}) == []


def test_a_drop_above_our_jump():
    rules = "-A FORWARD -j DROP\n-A FORWARD -m conntrack --ctstate DNAT -j SVCFORM-FORWARD\n"
    assert _codes({"iptables.nft.ip": _listing(rules)}) == ["SVC403"]


@pytest.mark.parametrize(
    "rule, seen",
    [
        ("-A FORWARD -j MARK --set-xmark 0x2000/0xff00", True),
        ("-A FORWARD -m mark --mark 0x0/0x2000 -j DROP", True),
        ("-A FORWARD -j MARK --set-xmark 0x2001/0xffffffff", True),
        ("-A FORWARD -j MARK --set-xmark 0x4000/0x4000", False),
        ("-A FORWARD -m mark --mark 0x1 -j DROP", False),
        ("-A FORWARD -m connmark --mark 0x2000/0x2000 -j DROP", False),
        ('-A FORWARD -m comment --comment "mark" -j DROP', False),
    ],
)
def test_a_foreign_use_of_the_masquerade_mark(rule, seen):
    assert ("SVC404" in _codes({"iptables.nft.ip": _listing(f"{rule}\n")})) is seen


@pytest.mark.parametrize(
    "table, rule, seen",
    [
        ("mangle", "-A PREROUTING -i wg0 -j MARK --set-xmark 0x1/0xffffffff", True),
        ("mangle", "-A calico -j MARK --set-xmark 0x10000/0x10000", True),
        ("mangle", "-A POSTROUTING -j MARK --set-xmark 0x10000/0x10000", False),
        ("nat", "-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000", False),
        ("nat", "-A PREROUTING -j MARK --set-xmark 0x40000000/0x40000000", True),
        ("mangle", f"-A PREROUTING -m connmark ! --mark 0x0 {RESTORE}", True),
        (
            "mangle",
            f"-A PREROUTING -m connmark ! --mark 0x40000000/0xc0000000 {RESTORE}",
            False,
        ),
        ("mangle", "-A INPUT -j CONNMARK --save-mark --nfmask 0xff --ctmask 0xff", False),
        ("filter", "-A INPUT -j CONNMARK --set-xmark 0x1/0xffffffff", True),
        ("mangle", "-A INPUT -j CONNMARK --set-xmark 0x1/0xff", False),
        ("mangle", "-A SVCFORM-IPVS-UNMARK -j MARK --set-xmark 0x0/0xffffffff", False),
    ],
)
def test_foreign_marks_that_would_lead_packets_past_ipvs(table, rule, seen):
    settings = replace(WANTED.settings, proxy_mode=ProxyMode.IPVS)
    text = f"*{table}\n:{rule.split()[1]} - [0:0]\n{rule}\nCOMMIT\n"
    readings = {"iptables.nft.ip": Reading(status=Status.READ, output=text.encode())}

    found = IPTABLES.caveats(readings, FACTS, replace(WANTED, settings=settings))

    assert [each.code for each in found] == ["SVC423"] * seen


@pytest.mark.parametrize(
    ("mode", "code", "spared"),
    [
        (ProxyMode.IPTABLES, "SVC404", "0x2000"),
        (ProxyMode.IPVS, "SVC423", "ct mark & 0xc0000000 != 0x40000000"),
    ],
)
def test_foreign_marks_in_tables_of_nftables_are_told_as_those_of_iptables(mode, code, spared):
    settings = replace(WANTED.settings, proxy_mode=mode)
    listing = FIREWALL.replace("drop;", "accept;").replace(
        "hook input priority filter; policy accept;",
        "hook input priority filter; policy accept;\n\t\tmeta mark set 0x00002001",
    )
    readings = {
        "iptables.nft.foreign": Reading(status=Status.READ, output=listing.encode()),
    }

    (found,) = IPTABLES.caveats(readings, FACTS, replace(WANTED, settings=settings))

    assert (found.code, found.severity) == (code, Severity.WARNING)
    assert "inet fw" in found.detail
    assert spared in found.detail


def test_a_table_that_iptables_cannot_read():
    text = "# Table `filter' is incompatible, use 'nft' tool.\n"
    (found,) = _found({"iptables.nft.ip6": text})
    assert (found.code, found.severity) == ("SVC405", Severity.ERROR)
    assert "nft list table ip6 filter" in found.detail


def test_an_iptables_that_is_too_old():
    old = Facts(tools=dict.fromkeys(NAMES, "iptables v1.8.2 (nf_tables)"))
    assert _codes({}, old) == ["SVC401"]


@pytest.mark.parametrize(
    "os_release, command",
    [({"ID": "debian"}, "apt-get install iptables"), ({"ID": "alpine"}, "apk add iptables")],
)
def test_a_missing_tool_is_named_with_the_command_that_installs_it(os_release, command):
    tools = {name: text for name, text in FACTS.tools.items() if name != "ip6tables"}
    with pytest.raises(ToolMissing, match="ip6tables") as caught:
        IPTABLES.express(WANTED, Facts(tools=tools, os_release=os_release))
    assert command in caught.value.remedy


def test_a_listing_that_is_none_is_never_read_as_empty():
    readings = {"iptables.nft.ip": Reading(status=Status.READ, output=b"Segmentation fault\n")}
    with pytest.raises(ReadingFailed, match="Segmentation fault"):
        IPTABLES.read(readings, FACTS)


@pytest.mark.root
@pytest.mark.parametrize("kernel", ["nft"], indirect=True)
def test_a_table_that_hides_our_rules_is_refused(kernel):
    kernel.run("iptables-nft", "-N", "SVCFORM-CHECK")
    kernel.run("nft", "add rule ip filter SVCFORM-CHECK ct count over 3 drop")
    probe = next(p for p in IPTABLES.probes() if p.name == "iptables.nft.ip")
    done = kernel.exec("sh", "-c", probe.script)
    assert done.returncode == 92
    assert b"nft list table ip filter" in done.stderr


@pytest.mark.root
def test_foreign_tables_are_listed_and_those_of_iptables_are_not(kernel):
    kernel.run(f"iptables-{kernel.variant}", "-N", "X")
    kernel.run("nft", "-f", "-", given=FIREWALL.encode())
    assert [f.code for f in IPTABLES.caveats(kernel.readings(), FACTS, WANTED)] == ["SVC402"]
    probe = next(p for p in IPTABLES.probes() if p.name == "iptables.nft.foreign")
    assert "table ip filter" not in kernel.run("sh", "-c", probe.script)


@pytest.mark.root
def test_inputs_that_drop_are_told_with_what_opens_them(kernel):
    """The command is given as it stands, and then the port counts as let in."""
    tool = f"iptables-{kernel.variant}"
    kernel.run(tool, "-P", "INPUT", "DROP")
    kernel.run(tool, "-A", "INPUT", "-p", "tcp", "--dport", "22", "-j", "ACCEPT")
    kernel.run("nft", "-f", "-", given=FIREWALL.encode())

    def closed():
        return IPTABLES.tell(kernel.readings(), kernel.facts()).closed_inputs

    names = [found.name for found in closed()]
    assert names == [f"INPUT of {tool}", "the chain input of the nftables table inet fw"]
    for found in closed():
        assert not found.lets_in(31000)
        kernel.run("sh", "-c", f"{found.opening}31000,31001{found.ending}")
    assert all(found.lets_in(31001) for found in closed())
    assert [found.lets_in(22) for found in closed()] == [True, False]
    assert [found.has_jump for found in closed()] == [True, False]
