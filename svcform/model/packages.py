"""Which package brings a tool, and the command that installs it, by distribution."""

from __future__ import annotations

from collections.abc import Mapping

_INSTALL = {
    "debian": "apt-get install",
    "ubuntu": "apt-get install",
    "fedora": "dnf install",
    "rhel": "dnf install",
    "centos": "dnf install",
    "suse": "zypper install",
    "opensuse": "zypper install",
    "alpine": "apk add",
    "arch": "pacman -S",
}
_PACKAGES = {
    "nft": "nftables",
    "ip6tables": "iptables",
    "conntrack": "conntrack-tools",
    "nginx-stream": "nginx-mod-stream",
}
_DEBIAN_PACKAGES = {"conntrack": "conntrack", "nginx-stream": "libnginx-mod-stream"}


def install_command(tool: str, os_release: Mapping[str, str]) -> str:
    """A full sentence: the command for the distribution of ``/etc/os-release``, or the package."""
    names = [os_release.get("ID", ""), *os_release.get("ID_LIKE", "").split()]
    verb = next((_INSTALL[name] for name in names if name in _INSTALL), "")
    package = _PACKAGES.get(tool, tool)
    if verb == "apt-get install":
        package = _DEBIAN_PACKAGES.get(tool, package)
    if verb:
        return f"Install it on the node: {verb} {package}"
    return f"Install the package {package} on the node."
