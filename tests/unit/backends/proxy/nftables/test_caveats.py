"""What a node lacks, or has too much of, for the mode."""

from __future__ import annotations

from dataclasses import replace

import pytest

from svcform.backends.proxy.nftables import NFTABLES
from svcform.diagnostics import Severity
from tests.unit.backends.proxy.iptables.workspaces import everything, intent
from tests.unit.backends.proxy.nftables.conftest import FACTS


@pytest.mark.parametrize(
    ("nft", "kernel", "codes"),
    [
        ("nftables v0.9.8 (E.D.S.)", "5.10.0-30-amd64", ["SVC411", "SVC412"]),
        ("nftables v1.0.2 (Lester Gooch)", "5.15.0-101-generic", ["SVC411"]),
        ("nftables v1.0.5 (Lester Gooch #4)", "5.13.0", ["SVC411"]),
        ("nftables v1.0.6 (Lester Gooch #5)", "5.12.19", ["SVC412"]),
        ("nftables v1.0.6 (Lester Gooch #5)", "5.13.0", []),
        ("nftables v1.1.7 (Commodore Bullmoose #8)", "6.12.0-amd64", []),
    ],
)
def test_tools_and_kernels_that_lack_something_are_refused(nft, kernel, codes):
    facts = replace(FACTS, tools={"nft": nft}, kernel=kernel)
    found = NFTABLES.caveats({}, facts, intent(everything()))
    assert [each.code for each in found] == codes
    assert {each.severity for each in found} <= {Severity.ERROR}
