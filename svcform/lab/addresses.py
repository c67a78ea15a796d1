"""The lab's addressing plan: IPv4 first, IPv6 second, everywhere."""

from __future__ import annotations

FABRIC4 = "192.168.99"
FABRIC6 = "fd00:99:"
ROUTER = (f"{FABRIC4}.1", f"{FABRIC6}:1")
CONTROLLER = (f"{FABRIC4}.2", f"{FABRIC6}:2")
OUTSIDE_ROUTER = ("203.0.113.1", "2001:db8:113::1")
CLIENT = ("203.0.113.10", "2001:db8:113::10")


def node_addresses(number: int) -> tuple[str, str]:
    """A node's own addresses: IPv4, IPv6."""
    return (f"{FABRIC4}.{10 + number}", f"{FABRIC6}:{10 + number}")


def pod_cidrs(number: int) -> tuple[str, str]:
    """A node's pod CIDRs: IPv4, IPv6."""
    return (f"10.244.{number}.0/24", f"fd00:244:{number}::/64")


def pod_addresses(number: int, index: int) -> tuple[str, str]:
    """The addresses of a node's endpoint ``index`` (from 0)."""
    return (f"10.244.{number}.{5 + index}", f"fd00:244:{number}::{5 + index}")
