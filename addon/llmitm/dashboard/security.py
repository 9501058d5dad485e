"""Who may look: only a browser on this machine that came with the token, and never by way of a proxy.

The address is open to every page that the user has open, and what the log holds is private. So each request has to name
our own host (a name that an attacker's DNS points at us is refused), must not say that it came through a proxy, and has
to bring the cookie that the link with the token gave.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from tornado import web

POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self'",
        "script-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
"""What every answer carries."""
TOKEN = "token"
_OF_PROXIES = (
    "via",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "proxy-connection",
    "proxy-authorization",
)
_NAMES = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True, slots=True)
class Keys:
    """The secrets of one dashboard, for as long as it runs."""

    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    """Stands once in the link that opens the dashboard."""
    session: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    """What the cookie holds: whoever sees an address that was kept somewhere cannot make it from that."""

    def opens(self, token: str) -> bool:
        """Whether this is the token."""
        return hmac.compare_digest(token.encode(), self.token.encode())

    def knows(self, cookie: str | None) -> bool:
        """Whether this is the cookie that the token gave."""
        return cookie is not None and hmac.compare_digest(cookie.encode(), self.session.encode())


def hosts(port: int) -> frozenset[str]:
    """Return what the `Host` header of a request for us can be."""
    return frozenset(f"{name}:{port}" for name in _NAMES)


def refusal(headers: Mapping[str, str], target: str, port: int) -> str | None:
    """Return why a request is not to be answered at all, None where it is fine."""
    host = headers.get("Host", "").lower()
    if host not in hosts(port):
        return f"this is not {host or 'a request that names a host'}: open 127.0.0.1:{port}"
    if not target.startswith("/"):
        return "the dashboard is no proxy"
    if name := next((name for name in _OF_PROXIES if name in headers), None):
        return f"the dashboard cannot be reached through a proxy ({name})"
    site = headers.get("Sec-Fetch-Site", "none")
    if site == "cross-site" and headers.get("Sec-Fetch-Mode") != "navigate":
        return "another site asked"
    return None


def without_token(address: str) -> str:
    """Return a path with its query, without the token in it."""
    parts = urlsplit(address)
    rest = [
        (name, value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
        if name != TOKEN
    ]
    return urlunsplit(("", "", "/" + parts.path.lstrip("/"), urlencode(rest), ""))


def own_path(address: str) -> str:
    """Return an address of ours to go back to; the home page where it is not ours."""
    return address if address.startswith("/") and address[1:2] not in ("/", "\\") else "/"


def secure(handler: web.RequestHandler) -> None:
    """Give an answer the headers that all answers carry."""
    for name, value in HEADERS.items():
        handler.set_header(name, value)
    handler.clear_header("Server")
