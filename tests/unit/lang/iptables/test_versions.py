"""What the tools of each version, built from their release, print for the rules that we write."""

from pathlib import Path

import pytest

from svcform.lang.iptables.read import canonical, read
from svcform.lang.iptables.save import parse

DATA = Path(__file__).parent / "data"
RECORDED = sorted(path.name for path in DATA.glob("*.save"))


def _ours(path: Path) -> dict[tuple[str, str], list[str]]:
    """Rules by table and chain; in written input a built-in chain needs no declaration."""
    text = path.read_text()
    if path.suffix == ".restore":
        text = text.replace("*filter\n", "*filter\n:INPUT ACCEPT [0:0]\n")
    return {
        (name, chain): rules
        for name, table in parse(text).items()
        for chain, rules in table.chains.items()
        if rules
    }


def test_every_supported_series_is_recorded():
    versions = {name.partition("-")[0] for name in RECORDED}
    assert versions == {"1.8.4", "1.8.7", "1.8.8", "1.8.9", "1.8.10", "1.8.11"}
    assert len(RECORDED) == 4 * len(versions)


@pytest.mark.parametrize("name", RECORDED)
def test_what_a_version_prints_reads_back_to_what_was_written(name):
    written = _ours(DATA / ("written6.restore" if "6.save" in name else "written.restore"))
    printed = _ours(DATA / name)
    assert printed.keys() == written.keys()
    for chain, rules in written.items():
        assert [canonical(rule) for rule in printed[chain]] == rules
        assert [read(rule) for rule in printed[chain]] == [read(rule) for rule in rules]
