"""Where svcform answers differently from kube-proxy's own tests, on purpose, and why.

The rule behind all of them: where kube-proxy's modes disagree, every mode of svcform does what
kube-proxy's nftables mode does.
"""

from __future__ import annotations

import dataclasses

from svcform.model.settings import ProxyMode
from tests.conformance.packetflow import Case, CaseFlow

#: A port that no Service has, on a clusterIP that one has: kube-proxy's iptables mode lets the
#: packet out to wherever the default route leads, its nftables mode rejects it.
_UNKNOWN_PORT = "REJECT"

#: Case -> flow -> what svcform does, in every mode.
DIFFERENCES: dict[str, dict[str, str]] = {
    "iptables/TestClusterIPGeneral": {
        "TCP-only port does not match UDP traffic": _UNKNOWN_PORT,
        "svc1 does not accept svc2's ports": _UNKNOWN_PORT,
    },
}


def as_svcform_does(case: Case, flow: CaseFlow, mode: ProxyMode) -> CaseFlow:
    """A flow of a case with what svcform does with it in a mode; closed INPUT is foreign."""
    if flow.name in DIFFERENCES.get(case.name, {}):
        return dataclasses.replace(flow, expected=DIFFERENCES[case.name][flow.name])
    if flow.flow.protocol not in mode.protocols and isinstance(flow.expected, frozenset):
        # Such a Service is refused before it comes to a node; its port takes nothing.
        return dataclasses.replace(flow, expected="REJECT")
    if mode.terminates and isinstance(flow.expected, frozenset):
        # Endpoints see the node, whose program makes the connection.
        flow = dataclasses.replace(flow, masquerade=True)
    if mode is ProxyMode.IPTABLES:
        return flow
    # Node ports on 127.0.0.1 are the iptables mode's alone, as with kube-proxy.
    if flow.flow.destination == "127.0.0.1" and isinstance(flow.expected, frozenset):
        return dataclasses.replace(flow, expected="NONE", masquerade=False)
    # Where the node has iptables, userspace mode has the iptables mode's rules for INPUT.
    if mode.terminates:
        return flow
    # No table of ours lets in what iptables' INPUT drops; nor does kube-proxy's nftables mode.
    if flow.expected == "ACCEPT":
        return dataclasses.replace(flow, expected="DROP")
    return flow
