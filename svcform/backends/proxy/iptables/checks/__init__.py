"""What in a node's own state would defeat the Services."""

from svcform.backends.proxy.iptables.checks.caveats import caveats, probes

__all__ = ["caveats", "probes"]
