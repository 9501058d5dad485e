"""`/metrics` for Prometheus, which keeps no cookies: it brings a secret that lives in a file beside the log."""

from __future__ import annotations

import asyncio
import hmac
import secrets
import threading
from typing import override

from tornado import web

from llmitm import files
from llmitm.dashboard import security
from llmitm.errors import StoreError
from llmitm.exports.prometheus import CONTENT_TYPE, Metrics
from llmitm.home import Home
from llmitm.store.reader import reading

_SCHEME = "Bearer "


class Scraped:
    """The metrics of one dashboard, and the secret for which they are told."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._metrics = Metrics()
        self._lock = threading.Lock()
        self.secret = _secret(home)

    def text(self) -> str:
        """Return all metrics. Raises `StoreError`, `sqlite3.Error`."""
        with self._lock, reading(self._home.database) as log:
            return self._metrics.text(log)


class MetricsHandler(web.RequestHandler):
    """Tell whoever has the secret."""

    @override
    def initialize(self, scraped: Scraped, port: int) -> None:
        self._scraped = scraped
        self._port = port

    @override
    def set_default_headers(self) -> None:
        security.secure(self)

    @override
    def prepare(self) -> None:
        if security.refusal(self.request.headers, self.request.uri or "", self._port):
            raise web.HTTPError(421)
        given = self.request.headers.get("Authorization", "").removeprefix(_SCHEME)
        if not hmac.compare_digest(given.encode(), self._scraped.secret.encode()):
            raise web.HTTPError(401)

    async def get(self) -> None:
        """Answer with the metrics; without any log there are none yet."""
        try:
            text = await asyncio.to_thread(self._scraped.text)
        except StoreError:
            text = ""
        self.set_header("Content-Type", CONTENT_TYPE)
        self.finish(text)

    @override
    def write_error(self, status_code: int, **kwargs: object) -> None:
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        if status_code == 401:
            self.set_header("WWW-Authenticate", "Bearer")
        self.finish(f"{status_code}: see docs/export.md on how Prometheus is let in\n")


def _secret(home: Home) -> str:
    """Return the secret; the first dashboard makes it."""
    try:
        return home.metrics_secret.read_text("ascii").strip()
    except FileNotFoundError:
        secret = secrets.token_urlsafe(24)
        files.replace(home.metrics_secret, secret.encode())
        return secret
