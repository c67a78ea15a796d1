"""Rules of nftables that use marks, as nft 1.0.6 and 1.1 print them."""

from __future__ import annotations

import pytest

from svcform.lang.nft.marks import foreign_uses, leading_astray, uses_bit

BIT, OURS = 0x2000, 0xC0000000


@pytest.mark.parametrize(
    ("rule", "seen"),
    [
        ("meta mark set 0x00002000", True),
        ('iifname "wg0" meta mark set 0x00002001 accept', True),
        ("meta mark set meta mark | 0x00002000", True),
        ("meta mark set meta mark or 0x2000", True),
        ("meta mark set meta mark & 0xffffdfff", True),
        ("meta mark set (meta mark & 0xffff20ff) | 0x00002000 accept", True),
        ("meta mark set meta mark ^ 0x00002000", True),
        ("meta mark set ct mark", True),
        ("meta mark set ct mark & 0x0000ff00", True),
        ("meta mark & 0x00002000 == 0x00000000 drop", True),
        ("meta mark & 0x00002000 == { 0x00000000, 0x00002000 } accept", True),
        ("meta mark 0x00002000 counter packets 0 bytes 0 accept", True),
        ("ip daddr 10.0.0.1 meta mark != 0x00002000 accept", True),
        ("meta mark { 0x00000001, 0x00002000 } accept", True),
        ("meta mark != { 0x00000001, 0x00002000 } accept", True),
        ("meta mark vmap { 0x00000001 : accept, 0x00002000 : drop }", True),
        ("meta mark 0x00000000/19 drop", True),
        ("meta mark set meta mark & 0xffffff00 | 0x00000001", False),
        ("meta mark set meta mark | 0x00004000", False),
        ("meta mark set meta mark & 0xffff3fff | 0x00004000", False),
        ("meta mark set ct mark & 0x000000ff", False),
        ("meta mark set 0x00000001", False),
        ("meta mark & 0x00004000 == 0x00004000 masquerade", False),
        ("meta mark 0x00000001 accept", False),
        ("ct mark & 0x00002000 == 0x00002000 accept", False),
        ("ct mark set meta mark", False),
        ("meta mark 0x40000000/2 drop", False),
        ('accept comment "meta mark set 0x2000"', False),
        ("meta mark", False),
        ("accept", False),
    ],
)
def test_a_use_of_the_masquerade_mark(rule, seen):
    assert uses_bit(rule, BIT) is seen


def _listing(rule: str, hook: str) -> str:
    kind = f"\t\ttype filter hook {hook} priority mangle; policy accept;\n" if hook else ""
    return f"table inet vpn {{\n\tchain c {{\n{kind}\t\taccept\n\t\t{rule}\n\t}}\n}}\n"


def test_a_table_is_named_once_with_its_first_rule():
    listing = _listing("meta mark set 0x00002000", "input") + _listing(
        "meta mark set 0x00002000", "output"
    )

    (found,) = foreign_uses(listing, "edge-1", BIT)

    assert found.code == "SVC404"
    assert "edge-1" in found.detail
    assert "table inet vpn uses the bit 0x2000" in found.detail
    assert ": meta mark set 0x00002000." in found.detail


@pytest.mark.parametrize(
    ("hook", "rule", "seen"),
    [
        ("prerouting", "meta mark set 0x00000001", True),
        ("", "meta mark set meta mark | 0x00010000", True),
        ("output", "meta mark set ct mark", True),
        ("postrouting", "meta mark set 0x00000001", False),
        ("forward", "meta mark set meta mark | 0x00010000", False),
        ("forward", "ct mark set 0x00000001", True),
        ("prerouting", "ct mark set meta mark & 0x000000ff", False),
        ("prerouting", "ct mark set ct mark | 0x40000000", True),
        ("prerouting", "ct mark != 0x40000000/2 meta mark set ct mark", False),
        ("prerouting", "ct mark & 0xc0000000 != 0x40000000 meta mark set ct mark", False),
        ("prerouting", "meta mark 0x00000001 accept", False),
    ],
)
def test_what_changes_a_mark_on_its_way_to_ipvs(hook, rule, seen):
    found = list(leading_astray(_listing(rule, hook), OURS, BIT))

    assert found == [("inet vpn", rule)] * seen
