"""Settings: their values, their places, and who wins."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from svcform.inputs.settings import READERS, distance, near_miss
from svcform.model.net import Protocol
from svcform.model.settings import Download, ManagementFlow, ProxyMode, Settings
from tests.unit.inputs.small_projects import INVENTORY, details, findings, node, read, write


def with_vars(folder: Path, **settings: Any) -> Path:
    return write(folder, playbook=yaml.safe_dump([{"hosts": "edge", "vars": settings}]))


def test_every_setting_has_a_reader_and_a_field():
    from_files = {"coredns_downloads", "templates"}
    assert {field.name for field in fields(Settings)} - from_files == set(READERS)


@pytest.mark.parametrize(
    ("name", "written", "typed"),
    [
        ("proxy_mode", "ipvs", ProxyMode.IPVS),
        ("service_cidrs", ["10.96.0.0/16", "FD00:0::/112"], ("10.96.0.0/16", "fd00::/112")),
        ("service_cidrs", "10.96.0.0/16, fd00::/112", ("10.96.0.0/16", "fd00::/112")),
        ("pod_cidrs", ["10.244.1.0/24"], ("10.244.1.0/24",)),
        ("masquerade_all", True, True),
        ("masquerade_all", "yes", True),
        ("masquerade_mark", "0x4000", 0x4000),
        ("masquerade_mark", 1 << 29, 1 << 29),
        ("affinity_entries", "100", 100),
        ("node_ip", "192.0.2.1", ("192.0.2.1",)),
        ("node_ip", ["2001:DB8::1", "192.0.2.1"], ("2001:db8::1", "192.0.2.1")),
        ("node_name", "worker-1.example.org", "worker-1.example.org"),
        ("zone", "eu-1a", "eu-1a"),
        ("node_port_range", "20000-20100", (20000, 20100)),
        ("node_port_addresses", "all", ("all",)),
        ("node_port_addresses", ["192.0.2.0/24"], ("192.0.2.0/24",)),
        (
            "management_flows",
            ["tcp://192.0.2.0/24->:22", " tcp://192.0.2.0/24 ->  :22"],
            (ManagementFlow(Protocol.TCP, "192.0.2.0/24", "", 22),),
        ),
        (
            "management_flows",
            "udp://2001:DB8::1 -> [2001:db8::2]:51820",
            (ManagementFlow(Protocol.UDP, "2001:db8::1/128", "2001:db8::2", 51820),),
        ),
        ("ipvs_scheduler", "mh", "mh"),
        ("drain_wait", 30, 30),
        (
            "load_balancer_pools",
            {"public": ["198.51.100.0/28", "198.51.100.32 - 198.51.100.40", "2001:db8::1"]},
            {"public": ("198.51.100.0/28", "198.51.100.32-198.51.100.40", "2001:db8::1")},
        ),
        ("cluster_domain", "k8s.example.org.", "k8s.example.org"),
        ("dns", "true", True),
        ("coredns_binary", "/opt/coredns", "/opt/coredns"),
        ("dns_listen", ["169.254.20.10"], ("169.254.20.10",)),
        ("dns_ttl", 0, 0),
        ("dns_endpoint_names", "all", "all"),
        ("dns_pods", "verified", "verified"),
        ("dns_namespaces", ["shop", "default", "shop"], ("default", "shop")),
        ("dns_external_zone", "svc.example.org", "svc.example.org"),
        (
            "dns_forward",
            ["192.0.2.53", "192.0.2.53:5353", "[2001:db8::53]:53", "2001:db8::54"],
            ("192.0.2.53", "192.0.2.53:5353", "[2001:db8::53]:53", "2001:db8::54"),
        ),
        ("dns_resolver", "node", "node"),
    ],
)
def test_a_value_is_typed_and_canonical(tmp_path: Path, name, written, typed):
    assert getattr(node(with_vars(tmp_path, **{name: written})).settings, name) == typed


def test_a_brought_along_coredns_is_a_download(tmp_path: Path):
    brought = {"amd64": {"file": "bin/coredns", "sha256": "AB" * 32}}

    settings = node(with_vars(tmp_path, coredns_binary=brought)).settings

    assert settings.coredns_downloads == {"amd64": Download(file="bin/coredns", sha256="ab" * 32)}
    assert settings.coredns_binary == "coredns"


@pytest.mark.parametrize(
    ("name", "written", "said"),
    [
        ("proxy_mode", "nft", "iptables, nftables, ipvs, userspace, none"),
        ("proxy_mode", 5, "iptables, nftables, ipvs, userspace, none"),
        ("service_cidrs", ["10.96.0.1/16"], "10.96.0.0/16 instead of 10.96.0.1/16"),
        ("service_cidrs", ["10.96.0.1"], "10.96.0.1/32"),
        ("service_cidrs", ["10.0.0.0/8", "10.1.0.0/16"], "don't overlap"),
        ("service_cidrs", [], "at least one"),
        ("masquerade_all", 2, "`true` or `false`"),
        ("masquerade_mark", 0x3000, "a single bit"),
        ("masquerade_mark", 0, "a single bit"),
        ("masquerade_mark", 1 << 30, "to 0x20000000"),
        ("masquerade_mark", 1 << 31, "to 0x20000000"),
        ("masquerade_mark", 1 << 32, "a single bit"),
        ("affinity_entries", 0, "from 1"),
        ("affinity_entries", True, "from 1"),
        ("node_ip", ["192.0.2.1", "192.0.2.2"], "one address a family"),
        ("node_ip", "127.0.0.1", "other nodes reach"),
        ("node_ip", "edge-1", "an IP address"),
        ("node_port_range", "40000-30000", "two ports"),
        ("node_port_range", "0-70000", "two ports"),
        ("node_port_range", 30000, "two ports"),
        ("node_port_addresses", ["all", "192.0.2.0/24"], "alone"),
        ("management_flows", ["192.0.2.1 -> :22"], "connections like"),
        ("management_flows", ["tcp://192.0.2.1 -> :0"], "a port from 1 to 65535"),
        ("management_flows", ["tpc://192.0.2.1 -> :22"], "did you mean tcp://?"),
        ("management_flows", ["TCP://192.0.2.1 -> :22"], "did you mean tcp://?"),
        ("management_flows", ["icmp://192.0.2.1 -> :22"], "connections of tcp, udp or sctp"),
        ("management_flows", ["tcp://192.0.2.1/24 -> :22"], "write 192.0.2.0/24 instead of"),
        ("management_flows", ["tcp://admin.example.org -> :22"], "an IP address"),
        ("management_flows", ["tcp://2001:db8::/32 -> 2001:db8::1:22"], "-> [2001:db8::1]:22"),
        ("management_flows", ["tcp://192.0.2.1 -> [2001:db8::1]:22"], "from IPv4 to IPv6"),
        ("management_flows", ["tcp://192.0.2.1;reboot -> :22"], "an IP address"),
        ("ipvs_scheduler", "fastest", "one of rr"),
        ("drain_wait", -1, "from 0"),
        ("load_balancer_pools", {"a": ["192.0.2.9-192.0.2.1"]}, "a lower to a higher"),
        ("load_balancer_pools", {"a": ["192.0.2.0/24"], "b": ["192.0.2.7"]}, "don't overlap"),
        ("load_balancer_pools", ["192.0.2.0/24"], "a mapping"),
        ("cluster_domain", "Cluster.Local", "lower case"),
        ("coredns_binary", "/opt/core dns;reboot", "a path"),
        ("coredns_binary", {"amd64": {"file": "x", "sha256": "beef"}}, "64 hexadecimal"),
        ("dns_listen", ["192.0.2.1", "0.0.0.0"], "single addresses of the node; 0.0.0.0 is none"),
        ("dns_listen", ["::"], "single addresses of the node"),
        ("dns_ttl", 3601, "from 0 to 3600"),
        ("dns_namespaces", ["No_Such"], "namespaces"),
        ("dns_forward", ["192.0.2.53:99999"], "port from 1"),
        ("zone", "a b", "letters"),
    ],
)
def test_a_wrong_value_in_a_play_is_an_error_that_says_what_is_right(tmp_path, name, written, said):
    folder = with_vars(tmp_path, **{name: written})

    assert [f.split()[1:] for f in findings(folder)] == [["SVC140", "error"]]
    assert said in details(folder)


def test_an_error_points_at_the_very_value(tmp_path: Path):
    folder = write(
        tmp_path,
        playbook="""\
            - hosts: edge
              vars:
                service_cidrs:
                  - 10.96.0.0/16
                  - fd00::/112
                  - 10.98.0.1/16
                masquerade_mark: 3
        """,
    )

    assert findings(folder) == [
        "playbooks/site.yml:6:9 SVC140 error",
        "playbooks/site.yml:7:22 SVC140 error",
    ]


def test_somebody_elses_variable_in_the_inventory_is_a_warning(tmp_path: Path):
    folder = write(tmp_path, inventory=f"{INVENTORY}      vars: {{dns: [192.0.2.53], zone: 7}}\n")

    assert findings(folder) == [
        "inventory.yml:7:19 SVC141 warning",
        "inventory.yml:7:39 SVC141 warning",
    ]
    assert "svcform_dns" in details(folder)


def test_the_prefix_wins_and_is_meant(tmp_path: Path):
    inventory = (
        f"{INVENTORY}      vars: {{zone: {{theirs: 1}}, svcform_zone: a, svcform_dns: [x]}}\n"
    )
    folder = write(tmp_path, inventory=inventory)

    assert findings(folder) == ["inventory.yml:7:63 SVC140 error"]


def test_a_play_wins_over_the_inventory_and_the_command_line_over_all(tmp_path: Path):
    folder = write(
        tmp_path,
        inventory=f"{INVENTORY}      vars: {{zone: inventory, dns_ttl: 1, drain_wait: 1}}\n",
        playbook="- {hosts: edge, vars: {zone: play, dns_ttl: 2}, vars_files: [more.yml]}",
        **{"playbooks/vars/more.yml": "dns_ttl: 3"},
    )

    settings = node(folder, extra_vars=("zone=extra masquerade_all=true",)).settings

    assert (settings.zone, settings.dns_ttl, settings.drain_wait) == ("extra", 3, 1)
    assert settings.masquerade_all is True


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("service_cidr", "service_cidrs"),
        ("proxymode", "proxy_mode"),
        ("Zone", "zone"),
        ("node-ip", "node_ip"),
        ("svcform_mode", "svcform_dns_zonal"),
        ("zones", None),
        ("dnsmasq", None),
        ("ansible_host", None),
        ("zone", None),
        ("svcform_lab_pid", None),
    ],
)
def test_a_near_miss_is_found(name, meant):
    assert (near_miss(name) is not None) == (meant is not None)
    if meant and not name.startswith("svcform_"):
        assert near_miss(name) == meant


def test_a_near_miss_is_a_warning_at_its_key(tmp_path: Path):
    folder = with_vars(tmp_path, service_cidr=["10.96.0.0/16"])

    assert findings(folder) == ["playbooks/site.yml:3:5 SVC142 warning"]
    assert "service_cidrs" in details(folder)


def test_distance_counts_swaps_as_one():
    assert (distance("proxy", "porxy"), distance("", "abc"), distance("abc", "axc")) == (1, 3, 1)


TWO_PLAYS = """\
- {hosts: edge, vars: {proxy_mode: ipvs, service_cidrs: [10.96.0.0/16]}}
- {hosts: edge-2, vars: {proxy_mode: nftables}}
"""


def test_two_plays_that_disagree_about_a_node_are_an_error_that_names_both(tmp_path: Path):
    folder = write(tmp_path, playbook=TWO_PLAYS)

    assert findings(folder) == ["playbooks/site.yml:2:38 SVC143 error"]
    assert "playbooks/site.yml:1:36" in details(folder)
    assert "edge-2" in details(folder)


def test_a_silent_play_takes_the_projects_addresses(tmp_path: Path):
    folder = write(
        tmp_path, playbook=TWO_PLAYS.replace("edge-2", "edge").replace("nftables", "ipvs")
    )

    inputs = read(folder)

    assert inputs.settings.service_cidrs == ("10.96.0.0/16",)
    assert {n.settings.service_cidrs for n in inputs.nodes} == {("10.96.0.0/16",)}


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("service_cidrs", "[10.96.0.0/16]", "[10.97.0.0/16]"),
        ("node_port_range", "30000-31000", "30000-32000"),
        ("load_balancer_pools", "{a: [192.0.2.0/24]}", "{b: [192.0.2.0/24]}"),
        ("cluster_domain", "one.local", "two.local"),
    ],
)
def test_plays_that_disagree_about_the_project_are_an_error(tmp_path: Path, name, one, other):
    values = {"edge-1": one, "edge-2": other}
    plays = [f"- {{hosts: {host}, vars: {{{name}: {value}}}}}\n" for host, value in values.items()]
    folder = write(tmp_path, playbook="".join(plays))

    assert [f.split()[1:] for f in findings(folder)] == [["SVC144", "error"]]
    assert "playbooks/site.yml:1:" in details(folder)


def test_a_disagreement_is_found_whatever_the_limit(tmp_path: Path):
    plays = (
        "- {hosts: edge-1, vars: {cluster_domain: one.local}}\n"
        "- {hosts: edge-2, vars: {cluster_domain: two.local}}\n"
    )
    folder = write(tmp_path, playbook=plays)

    assert findings(folder, limit="edge-1") == ["playbooks/site.yml:2:42 SVC144 error"]


@pytest.mark.parametrize(
    "external",
    ["corp.local", "svc.corp.local", "shop.svc.corp.local", "dns.corp.local", "96.10.in-addr.arpa"],
)
def test_an_external_zone_that_takes_other_zones_names_is_an_error(tmp_path: Path, external: str):
    folder = with_vars(tmp_path, cluster_domain="corp.local", dns_external_zone=external)

    assert [f.split()[1:] for f in findings(folder)] == [["SVC140", "error"]]
    assert "must be a zone of its own" in details(folder)


@pytest.mark.parametrize("external", ["lb.corp.local", "local", "example.org", "xsvc.corp.local"])
def test_an_external_zone_may_be_above_or_below_the_cluster_domain(tmp_path: Path, external: str):
    folder = with_vars(tmp_path, cluster_domain="corp.local", dns_external_zone=external)

    assert findings(folder) == []


def test_ranges_that_meet_are_an_error(tmp_path: Path):
    folder = with_vars(
        tmp_path,
        service_cidrs=["10.96.0.0/16"],
        pod_cidrs=["10.96.128.0/24"],
        load_balancer_pools={"a": ["10.96.255.1-10.97.0.1"]},
    )

    assert [f.split()[1:] for f in findings(folder)] == [["SVC145", "error"]] * 2
