"""Where svcform answers differently from kube-proxy's own tests, on purpose, and why.

The rule behind all of them: where kube-proxy's modes disagree, every mode of svcform does what
kube-proxy's nftables mode does.
"""

from __future__ import annotations

#: A port that no Service has, on a clusterIP that one has: kube-proxy's iptables mode lets the
#: packet out to wherever the default route leads, its nftables mode rejects it.
_UNKNOWN_PORT = "REJECT"

#: Case -> flow -> what svcform does.
DIFFERENCES: dict[str, dict[str, str]] = {
    "iptables/TestClusterIPGeneral": {
        "TCP-only port does not match UDP traffic": _UNKNOWN_PORT,
        "svc1 does not accept svc2's ports": _UNKNOWN_PORT,
    },
}
