"""Rules write and read themselves, and what any version prints reads back."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcform.lang.iptables import rule as r
from svcform.lang.iptables.names import CHAIN_NAME_LIMIT, stable_name
from svcform.lang.iptables.read import RuleNotUnderstood, canonical, read

ports = st.integers(1, 65535)
ranges = st.tuples(ports, ports).map(lambda pair: (min(pair), max(pair)))
marks = st.integers(0, 0xFFFFFFFF)
chains = st.sampled_from(["SVCFORM-VIPS", "SVCFORM-V-10.96.0.0/20", "ACCEPT", "DROP", "RETURN"])
networks = st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 32)).map(
    lambda pair: str(ipaddress.ip_network(pair, strict=False))
)
networks6 = st.tuples(st.integers(0, 2**128 - 1), st.integers(1, 128)).map(
    lambda pair: str(ipaddress.ip_network(pair, strict=False))
)
addresses = st.one_of(
    st.integers(0, 2**32 - 1).map(lambda n: str(ipaddress.IPv4Address(n))),
    st.integers(0, 2**128 - 1).map(lambda n: str(ipaddress.IPv6Address(n))),
)
any_network = st.one_of(st.just(""), networks, networks6)
states = st.lists(
    st.sampled_from(["NEW", "RELATED", "ESTABLISHED", "DNAT"]), unique=True, min_size=1
).map(lambda found: tuple(sorted(found, key=["NEW", "RELATED", "ESTABLISHED", "DNAT"].index)))
matches = st.one_of(
    st.integers(2, 5000).map(r.one_of),
    st.builds(r.Mark, marks, marks, st.booleans()),
    st.builds(r.Conntrack, states, st.booleans(), st.just(""), st.none(), st.just("")),
    st.builds(
        r.Conntrack,
        st.just(()),
        st.just(False),
        networks | networks6,
        st.none() | ranges,
        st.sampled_from(["", "ORIGINAL", "REPLY"]),
    ),
    st.builds(r.ConnectionMark, marks, marks),
    st.builds(
        r.InSet,
        st.just("SVCFORM-4-SOURCES"),
        st.sampled_from(["dst", "dst,dst", "dst,dst,src"]),
        st.booleans(),
    ),
    st.just(r.LocalSource()),
    st.builds(
        r.Recent,
        st.just("SVCFORM-ABC"),
        st.just("255.255.255.255"),
        st.none() | st.integers(1, 86400),
    ),
)
targets = st.one_of(
    chains.map(r.Verdict),
    st.just(r.Goto("SVCFORM-VIPS")),
    st.builds(r.Dnat, addresses, ports),
    st.builds(r.SetMark, marks, marks),
    st.builds(r.SetConnectionMark, marks, marks),
    st.just(r.MapMark("SVCFORM-4-FRONTENDS", "dst,dst")),
    st.just(r.Masquerade()),
    st.sampled_from(["icmp-port-unreachable", "icmp6-port-unreachable"]).map(r.Reject),
)


@st.composite
def rules(draw):
    protocol = draw(st.sampled_from(["", "tcp", "udp", "sctp"]))
    found = draw(st.lists(matches, max_size=3))
    if protocol and draw(st.booleans()):
        found.insert(0, r.Port(*draw(ranges)))
    source = draw(any_network)
    return r.Rule(
        draw(targets),
        tuple(found),
        protocol,
        source,
        draw(any_network),
        bool(source) and draw(st.booleans()),
    )


@given(rules())
def test_what_a_rule_writes_reads_back_to_the_rule(rule):
    assert read(rule.write()) == rule


@given(rules())
def test_written_text_is_canonical(rule):
    assert canonical(rule.write()) == rule.write()


@pytest.mark.parametrize(
    "printed, written",
    [
        ("-d 10.0.0.1 -p tcp -j ACCEPT", "-d 10.0.0.1/32 -p tcp -j ACCEPT"),
        ("-d 10.0.0.0/255.255.0.0 -j ACCEPT", "-d 10.0.0.0/16 -j ACCEPT"),
        ("-p 132 -m sctp --dport 80 -j ACCEPT", "-p sctp -m sctp --dport 80 -j ACCEPT"),
        ("-p  tcp  -j ACCEPT ", "-p tcp -j ACCEPT"),
        (
            "-m conntrack --ctorigdst 10.0.0.1/32 -j ACCEPT",
            "-m conntrack --ctorigdst 10.0.0.1 -j ACCEPT",
        ),
        (
            "-m conntrack --ctstate DNAT,ESTABLISHED,RELATED -j ACCEPT",
            "-m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j ACCEPT",
        ),
        ("-m mark --mark 8192/8192 -j ACCEPT", "-m mark --mark 0x2000/0x2000 -j ACCEPT"),
    ],
)
def test_other_spellings_of_the_same_rule_have_one_canonical_form(printed, written):
    assert canonical(printed) == written


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-j",
        '-m comment --comment "a b" -j ACCEPT',
        "-i eth0 -j ACCEPT",
        "-p tcp -m udp --dport 80 -j ACCEPT",
        "-p tcp -m tcp ! --dport 80 -j ACCEPT",
        "! -d 10.0.0.1/32 -j ACCEPT",
        "-j LOG --log-prefix x",
        "-m mark --mark zero -j ACCEPT",
        "-p tcp -m tcp --dport 80 --syn -j ACCEPT",
        "-m statistic --mode nth --every 2 --packet 0 -j ACCEPT",
        "-j MASQUERADE",
        "-j DNAT --to-destination 10.0.0.1-10.0.0.9:80",
    ],
)
def test_a_rule_that_we_never_write_is_kept_as_text(text):
    with pytest.raises((RuleNotUnderstood, ValueError)):
        read(text)
    assert canonical(text) == text


def test_chances_add_up_to_all_packets():
    left = 1.0
    chances = []
    for count in range(100, 1, -1):
        chance = r.one_of(count).weight / r.PROBABILITY_ONE
        chances.append(left * chance)
        left *= 1 - chance
    chances.append(left)
    assert max(chances) / min(chances) < 1.0001


def test_names_depend_on_their_words_alone_and_fit():
    name = stable_name("SVCFORM-P-", "shop/cart:http", "TCP")
    assert name == stable_name("SVCFORM-P-", "shop/cart:http", "TCP")
    assert name != stable_name("SVCFORM-P-", "shop/cart:httpT", "CP")
    assert len(name) <= CHAIN_NAME_LIMIT
    with pytest.raises(ValueError, match="SVCFORM-MUCH-TOO-LONG"):
        stable_name("SVCFORM-MUCH-TOO-LONG-", "x")
