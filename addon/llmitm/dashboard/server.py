"""The web server: what is asked where, and the socket that it listens on."""

from __future__ import annotations

import asyncio
import logging

from tornado import web
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from llmitm.dashboard.handlers import ChangedHandler, PageHandler, StaticHandler, ThemeHandler
from llmitm.dashboard.metrics import MetricsHandler, Scraped
from llmitm.dashboard.rendering import FOLDER, templates
from llmitm.dashboard.shared import HOST, Dashboard
from llmitm.errors import LlmitmError
from llmitm.home import Home

log = logging.getLogger("llmitm.dashboard")

_LATER_SECONDS = 2
"""When the first page is there, what the next ones need is read."""
_FORM_BYTES = 1_000_000


def application(dashboard: Dashboard) -> web.Application:
    """Return the server's application."""
    shared = {"dashboard": dashboard}
    scraped = Scraped(dashboard.home)
    static = {"path": str(FOLDER / "static"), "port": dashboard.port}
    return web.Application(
        [
            (r"/static/([a-z0-9.-]+)", StaticHandler, static),
            (r"/changed", ChangedHandler, shared),
            (r"/metrics", MetricsHandler, {"scraped": scraped, "port": dashboard.port}),
            (r"/theme", ThemeHandler, shared),
            (r"/(.*)", PageHandler, shared),
        ],
        xsrf_cookies=True,
        xsrf_cookie_name=f"llmitm_xsrf_{dashboard.port}",
        xsrf_cookie_kwargs={"httponly": True, "samesite": "Strict"},
        log_function=lambda handler: None,
        default_handler_class=None,
    )


async def serve(
    home: Home, port: int, *, read_only: bool = False, or_free: bool = False
) -> tuple[Dashboard, HTTPServer]:
    """Listen on loopback, at a free port where it is 0, and return what it is and its server.

    `or_free` takes a free port too where this one is taken. Raises `OSError`.
    """
    try:
        sockets = bind_sockets(port, HOST)
    except OSError:
        if not or_free:
            raise
        sockets = bind_sockets(0, HOST)
    dashboard = Dashboard(home, sockets[0].getsockname()[1], read_only)
    server = HTTPServer(application(dashboard), max_body_size=_FORM_BYTES)
    server.add_sockets(sockets)
    dashboard.threads.submit(_read_templates)
    loop = asyncio.get_running_loop()
    loop.call_later(_LATER_SECONDS, dashboard.run, _read_prices)
    return dashboard, server


def _read_templates() -> None:
    for name in templates().list_templates():
        templates().get_template(name)


def _read_prices(home: Home) -> None:
    from llmitm import pricing  # noqa: F401  (takes a second to import)
    from llmitm.dashboard.prices import price_table

    try:
        price_table(home)
    except LlmitmError as error:  # who looks at a price will see it too
        log.warning("%s", error)
