"""Let nobody reach a dashboard by way of the proxy: it trusts what is on this machine, and the proxy may be asked from elsewhere.

CVE-2025-23217 is what happened to mitmweb without that.
"""

from __future__ import annotations

from ipaddress import ip_address

from mitmproxy.proxy import server_hooks

from llmitm.dashboard.announcement import ports
from llmitm.home import Home
from llmitm.mitm.guard import guarded


class Dashboards:
    """Refuse connections to them, whatever is spoken over these."""

    def __init__(self, home: Home) -> None:
        self._home = home

    @guarded
    def server_connect(self, data: server_hooks.ServerConnectionHookData) -> None:
        """Refuse one before it is made."""
        address = data.server.address
        if address and is_this_machine(address[0]) and address[1] in ports(self._home):
            data.server.error = "llmitm: the dashboard cannot be reached through the proxy"


def is_this_machine(host: str) -> bool:
    """Whether a name or an address leads to where a dashboard listens."""
    name = host.lower().rstrip(".").strip("[]")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ip_address(name)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return mapped.is_loopback or mapped.is_unspecified
