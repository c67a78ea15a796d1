"""With the real nft and the kernel's own tables."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import replace

import pytest

from svcform.backends.proxy.nftables import NFTABLES
from svcform.model.service import ServicePort
from svcform.model.settings import ProxyMode
from svcform.program.program import Phase
from tests.unit.backends.proxy.iptables import workspaces
from tests.unit.backends.proxy.iptables.workspaces import everything, nothing, service

pytestmark = pytest.mark.root
SETTINGS = replace(workspaces.SETTINGS, proxy_mode=ProxyMode.NFTABLES)
FOREIGN = """\
table inet firewall {
  chain forward { type filter hook forward priority 10; policy accept; ct state invalid drop; }
}
table ip svcform-else {
  set s { type ipv4_addr; elements = { 192.0.2.7 }; }
}
"""


def intent(services, *, endpoints=3, settings=SETTINGS):
    return workspaces.intent(services, endpoints=endpoints, settings=settings)


def test_a_second_plan_is_empty(kernel):
    assert kernel.apply(intent(everything())).changes
    assert kernel.plan(intent(everything())).changes == ()


def test_destroy_and_another_mode_leave_foreign_tables_as_they_were(kernel):
    kernel.nft(FOREIGN)
    before = kernel.run("nft", "list", "ruleset")
    for last in (nothing(), workspaces.intent(everything())):
        kernel.apply(intent(everything()))
        assert kernel.run("nft", "list", "ruleset") != before
        kernel.apply(last)
        assert kernel.run("nft", "list", "ruleset") == before


def test_from_anything_to_anything_is_as_from_nothing_and_back(kernel):
    first = intent(everything(), endpoints=20)
    second = intent([service(n) for n in range(1, 60)], endpoints=7)
    kernel.apply(second)
    fresh = kernel.listing()
    kernel.apply(nothing())
    kernel.apply(first)
    before = kernel.listing()
    planned = kernel.apply(second)
    assert kernel.listing() == fresh
    kernel.carry_out(planned.program.undo)
    assert kernel.listing() == before


def _commands(step):
    lines = [line for line in step.stdin.decode().splitlines() if line[:1].isalpha()]
    return {" ".join(line.split()[:2]) for line in lines}


def test_one_endpoint_less_is_a_few_elements_and_no_rule(kernel):
    services = [service(n) for n in range(1, 40)]
    kernel.apply(intent(services, endpoints=5))
    world = intent(services, endpoints=5)
    port = world.common.ports[7]
    (step,) = kernel.plan(_one_less(world, port)).program.steps
    assert _commands(step) == {"delete element", "create element"}
    assert len(step.stdin.splitlines()) < 30


def test_the_chain_of_a_long_list_is_made_before_elements_lead_to_it(kernel):
    """A packet that meets the commit of both would find the chain empty."""
    world = intent([service(1)], endpoints=25)
    kernel.apply(world)
    make, switch, break_ = kernel.plan(_one_less(world, world.common.ports[0])).program.steps
    assert [step.phase for step in (make, switch, break_)] == [
        Phase.MAKE,
        Phase.SWITCH,
        Phase.BREAK,
    ]
    assert _commands(make) == {"add chain", "add rule"}
    assert _commands(switch) == {"add chain", "delete element", "create element"}
    assert _commands(break_) == {"flush chain", "delete chain"}


def _one_less(world, port):
    """The same intent, but for the last endpoint of one port."""
    frontends = tuple(
        replace(f, routes=tuple(replace(r, to=_shorter(r.to)) for r in f.routes))
        for f in port.frontends
    )
    changed = replace(port, frontends=frontends, endpoints=port.endpoints[:-1])
    ports = tuple(changed if each is port else each for each in world.common.ports)
    return replace(world, common=type(world.common)(ports))


def _shorter(pool):
    return replace(pool, destinations=pool.destinations[:-1])


@pytest.mark.parametrize(
    "damage",
    [
        "flush chain ip svcform services",
        "insert rule ip svcform services accept",
        "flush chain ip svcform look-up",
        "add rule ip6 svcform chosen drop",
        "delete chain ip svcform nat-prerouting",
        "add chain ip svcform stranger",
        "add set ip svcform stranger { type ipv4_addr; }",
        "flush map ip svcform tcp-endpoints",
        "add element ip svcform cluster-ips { 10.96.7.7 }",
        "add element ip svcform pod-cidrs { 10.9.0.0/16 }",
        "delete table ip6 svcform",
        "add table ip svcform { flags dormant; }",
        "add counter ip svcform stranger",
        "add quota ip6 svcform stranger { over 25 mbytes; }",
        'add ct helper ip svcform stranger { type "ftp" protocol tcp; }',
    ],
)
def test_what_somebody_does_to_our_tables_is_drift_and_is_mended(kernel, damage):
    wanted = intent(everything())
    kernel.apply(wanted)
    before = kernel.listing()
    kernel.run("nft", damage)
    planned = kernel.plan(wanted)
    assert planned.changes
    (print_,) = planned.program.fingerprints
    said = kernel.run("sh", "-c", print_.script, given=print_.operands)
    assert said == print_.expected.decode()
    kernel.carry_out(planned.program.steps)
    assert kernel.plan(wanted).changes == ()
    assert kernel.listing() == before


def test_the_size_of_affinity_can_change(kernel):
    kernel.apply(intent(everything()))
    larger = replace(SETTINGS, affinity_entries=70000)
    kernel.apply(intent(everything(), settings=larger))
    assert "size 70000" in kernel.run("nft", "list", "map", "ip", "svcform", "affinity")
    assert kernel.plan(intent(everything(), settings=larger)).changes == ()


def test_the_fingerprint_is_what_the_reading_said(kernel, shell):
    kernel.nft(FOREIGN)
    kernel.apply(intent(everything()))
    services = [service(1, affinity_seconds=5), *everything()[1:6], service(90)]
    planned = kernel.plan(intent(services, endpoints=5))
    (print_,) = planned.program.fingerprints

    def says() -> str:
        return kernel.run("sh", "-c", print_.script, given=print_.operands, **shell)

    assert print_.expected
    assert says() == print_.expected.decode()
    kernel.run("nft", "insert rule ip svcform nat-prerouting accept")
    assert says() != print_.expected.decode()


def test_the_fingerprint_of_a_fresh_node_is_that_nothing_is_there(kernel):
    (print_,) = kernel.plan(intent(everything())).program.fingerprints
    assert kernel.run("sh", "-c", print_.script, given=print_.operands) == ""
    assert print_.expected == b""


def test_the_fingerprint_ignores_what_the_plan_does_not_touch(kernel):
    services = [service(n) for n in range(1, 30)]
    kernel.apply(intent(services))
    (print_,) = kernel.plan(intent(services[:28])).program.fingerprints
    kernel.apply(intent([*services[:3], *services[4:]]))
    assert kernel.run("sh", "-c", print_.script, given=print_.operands) == print_.expected.decode()


@pytest.mark.parametrize("ranges", [("203.0.113.7/32",), ("2001:db8:7::7/128",)])
def test_a_single_address_is_let_in_no_more(kernel, ranges):
    limited = [replace(everything()[3], source_ranges=ranges)]
    kernel.apply(intent(limited))
    assert ranges[0].partition("/")[0] in " ".join(kernel.listing())
    kernel.apply(intent([replace(limited[0], source_ranges=("203.0.113.0/24",))]))
    assert ranges[0].partition("/")[0] not in " ".join(kernel.listing())


def test_a_transaction_refuses_a_table_that_moved(kernel):
    kernel.apply(intent([service(1), service(2)]))
    planned = kernel.plan(intent([service(1)]))
    kernel.apply(intent([service(1), service(2, ports=(ServicePort(name="http", port=81),))]))
    (step,) = [s for s in planned.program.steps if s.rehearsal]
    before = kernel.listing()
    assert kernel.exec(*step.command, given=step.stdin).returncode != 0
    assert kernel.listing() == before


def _save(kernel, state, name, shell):
    folder = state / "runs/r" / name / "nftables"
    folder.mkdir(parents=True)
    script = NFTABLES.checkpoint().save
    run = str(state / "runs/r") if name == "after" else ""
    kernel.run("sh", "-c", script, "save", str(folder), run, **shell, SVCFORM_STATE=str(state))
    return folder


def _restore(kernel, folder, state, shell):
    script = NFTABLES.checkpoint().restore
    kernel.run("sh", "-c", script, "restore", str(folder), **shell, SVCFORM_STATE=str(state))


def _run(kernel, wanted, state, shell):
    """What the runner does with a program, and the checkpoint behind it."""
    run = state / "runs/r"
    planned = kernel.plan(wanted)
    before = _save(kernel, state, "checkpoint", shell)
    for number, step in enumerate(planned.program.steps):
        (run / f"step.{number:04}.stdin").write_bytes(step.stdin)
    kernel.carry_out(planned.program.steps)
    after = _save(kernel, state, "after", shell)
    return before, after


def test_the_script_that_a_node_keeps_makes_what_the_programs_made(kernel, shell, tmp_path):
    alone = replace(everything()[3], source_ranges=("203.0.113.7/32", "2001:db8:7::7/128"))
    stages = [
        intent([alone]),
        intent(everything()),
        intent([service(1, affinity_seconds=5), *everything()[1:]], endpoints=7),
        intent([service(n) for n in range(3, 12)], endpoints=2),
    ]
    for wanted in stages:
        before = kernel.listing()
        old, new = _run(kernel, wanted, tmp_path, shell)
        now = kernel.listing()
        _restore(kernel, old, tmp_path, shell)
        assert kernel.listing() == before
        _restore(kernel, new, tmp_path, shell)
        assert kernel.listing() == now
        assert kernel.plan(wanted).changes == ()
        _confirm(kernel, new, tmp_path)


def _confirm(kernel, new, state):
    (state / "confirmed").mkdir(exist_ok=True)
    kernel.run("rm", "-rf", str(state / "confirmed/nftables"))
    new.rename(state / "confirmed/nftables")
    kernel.run("rm", "-rf", str(state / "runs"))


def test_the_script_that_a_node_keeps_is_the_same_after_somebodys_damage_was_mended(
    kernel, shell, tmp_path
):
    wanted = intent(everything())
    _, new = _run(kernel, wanted, tmp_path, shell)
    _confirm(kernel, new, tmp_path)
    there = kernel.listing()
    for damage in (
        "flush ruleset",
        "delete table ip6 svcform",
        "delete chain ip svcform nat-prerouting",
        "flush chain ip svcform services; delete chain ip svcform nat-output",
        "add counter ip svcform stranger",
    ):
        kernel.run("nft", damage)
        _, new = _run(kernel, wanted, tmp_path, shell)
        assert kernel.listing() == there
        _confirm(kernel, new, tmp_path)
        kernel.run("nft", "flush ruleset")
        _restore(kernel, tmp_path / "confirmed/nftables", tmp_path, shell)
        assert kernel.listing() == there, damage


def test_a_node_that_lost_its_state_folder_keeps_what_nft_can_read_back(kernel, shell, tmp_path):
    kernel.apply(intent(everything()))
    before = kernel.listing()
    old, _ = _run(kernel, intent([service(1)]), tmp_path, shell)
    _restore(kernel, old, tmp_path, shell)
    assert kernel.listing() == before


def test_going_back_to_nothing_leaves_somebodys_table_of_another_family(kernel, shell, tmp_path):
    chain = "chain input { type filter hook input priority 0; ct state invalid drop; }"
    kernel.nft(f"table inet svcform {{\n{chain}\n}}")
    before = kernel.run("nft", "list", "ruleset")
    old, _ = _run(kernel, intent([service(1)]), tmp_path, shell)
    _restore(kernel, old, tmp_path, shell)
    assert kernel.run("nft", "list", "ruleset") == before


def test_restoring_what_is_there_changes_nothing(kernel, shell, tmp_path):
    _, kept = _run(kernel, intent(everything()), tmp_path, shell)
    client = "add element ip svcform affinity { 192.0.2.9 . 4000:10 timeout 1h : 10.0.0.1 }"
    kernel.run("nft", client)
    _restore(kernel, kept, tmp_path, shell)
    assert "192.0.2.9" in kernel.run("nft", "list", "map", "ip", "svcform", "affinity")


def _sticky(endpoints):
    return intent([service(2, affinity_seconds=10800)], endpoints=endpoints)


def _remember(kernel, family: str, clients: Mapping[str, int]) -> None:
    """Clients of an IP family that each came to the endpoint with that place in the list."""
    listed = kernel.run("nft", "-n", "list", "set", family, "svcform", "sticky-10800")
    members = [m.strip(" \t\n{}") for m in listed.partition("elements =")[2].split(",")]
    assert len(members) == 4
    commands = []
    for client, place in clients.items():
        id_, where, port = members[place].partition("\n")[0].split(" . ")
        for name, data in (("affinity", where), ("affinity-port", port)):
            element = f"{{ {client} . {id_} timeout 1h : {data} }}"
            commands.append(f"add element {family} svcform {name} {element}\n")
    kernel.nft("".join(commands))


def test_clients_of_an_endpoint_that_leaves_are_forgotten_and_no_others(kernel, shell):
    kernel.apply(_sticky(4))
    for family, client in (("ip", "192.0.2.{}"), ("ip6", "1 . 2 . {}")):
        _remember(kernel, family, {client.format(n + 1): n for n in range(4)})
    planned = kernel.plan(_sticky(3))
    for step in planned.program.steps:
        kernel.run(*step.command, given=step.stdin, **shell)
    for family in ("ip", "ip6"):
        for name in ("affinity", "affinity-port"):
            kept = kernel.run("nft", "list", "map", family, "svcform", name)
            assert kept.count("timeout 1h") == 3
            assert (".4 " in kept or "2 . 4 ." in kept) is False


#: Each transaction finds that one more client has run out since it was listed.
_TOO_LATE = r"""#!/bin/sh
if [ "$*" = "-f -" ]; then
  for name in affinity affinity-port; do
    listed=$(@NFT@ -n list map ip svcform $name)
    key=$(printf '%s' "$listed" | grep -o '192\.0\.2\.[0-9]* \. [0-9a-f:]*' | tail -n 1)
    [ -z "$key" ] || @NFT@ delete element ip svcform $name "{ $key }"
  done
fi
exec @NFT@ "$@"
"""


def test_clients_are_forgotten_though_some_run_out_meanwhile(kernel, shell, tmp_path):
    kernel.apply(_sticky(4))
    _remember(kernel, "ip", {f"192.0.2.{n}": 3 for n in range(1, 251)} | {"203.0.113.7": 0})
    planned = kernel.plan(_sticky(3))
    path = shell.get("PATH", os.environ["PATH"])
    late = tmp_path / "nft"
    late.write_text(_TOO_LATE.replace("@NFT@", str(shutil.which("nft", path=path))))
    late.chmod(0o755)
    for step in planned.program.steps:
        kernel.run(*step.command, given=step.stdin, **{**shell, "PATH": f"{tmp_path}:{path}"})
    for name in ("affinity", "affinity-port"):
        kept = kernel.run("nft", "list", "map", "ip", "svcform", name)
        assert kept.count("timeout 1h") == 1
        assert "203.0.113.7" in kept


def test_looking_makes_no_table(kernel):
    kernel.plan(intent(everything()))
    assert kernel.run("nft", "list", "tables") == ""


_FOREIGN_MARKS = """\
table inet vpn {
	set peers { type ipv4_addr; elements = { 192.0.2.77 } }
	chain early {
		type filter hook prerouting priority mangle; policy accept;
		ip saddr @peers meta mark set meta mark and 0xffff00ff or 0x2000
	}
}
table ip6 quiet {
	chain early {
		type route hook output priority mangle; policy accept;
		meta mark set 0x1 accept
	}
}
table netdev edge {
	chain unhooked { meta mark set 0x2000; }
}
"""


def test_a_foreign_use_of_the_masquerade_mark_is_told_on_whichever_hook(kernel):
    kernel.nft(_FOREIGN_MARKS)

    found = kernel.caveats(intent(everything()))

    assert [each.code for each in found] == ["SVC404"]
    assert "the nftables table inet vpn" in found[0].detail
    assert "ip saddr @peers meta mark set" in found[0].detail
