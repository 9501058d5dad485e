"""Send calls to a collector: OTLP over HTTP, protobuf, zipped; again where the collector asks for it.

https://opentelemetry.io/docs/specs/otlp/#otlphttp (read 2026-11-26)
"""

from __future__ import annotations

import gzip
import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from urllib.parse import unquote, urlsplit

from llmitm import __version__
from llmitm.alerts.sending import trust
from llmitm.exports.otlp import metrics, spans
from llmitm.exports.otlp.entries import OtlpSettings
from llmitm.store.reader import Record

DEFAULT = "http://localhost:4318"
CALLS_A_REQUEST = 500
_AGAIN = (429, 502, 503, 504)
_TRIES = 5
_FIRST_WAIT = 0.5
_LONGEST_WAIT = 30.0
_SECONDS = 10.0
_SHOWN = 200


class NotTakenError(Exception):
    """The collector does not take it; the text says why."""


@dataclass(frozen=True, slots=True)
class Collector:
    """Where it goes."""

    endpoint: str = DEFAULT
    headers: Mapping[str, str] = field(default_factory=dict)
    service: str = "llmitm"
    sleep: Callable[[float], object] = time.sleep

    @classmethod
    def of(
        cls,
        settings: OtlpSettings,
        endpoint: str | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> Collector:
        """Return the collector that is asked for, else that of OpenTelemetry's variables, else of the settings."""
        given = _headers(environ.get("OTEL_EXPORTER_OTLP_HEADERS", ""))
        url = endpoint or environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or settings.endpoint
        return cls(
            (url or DEFAULT).rstrip("/"),
            {**settings.headers, **given},
            environ.get("OTEL_SERVICE_NAME") or settings.service,
        )

    def post(self, signal: str, body: bytes) -> None:
        """Send a message of `traces` or `metrics`. Raises `NotTakenError`."""
        url = f"{self.endpoint}/v1/{signal}"
        if urlsplit(url).scheme not in ("http", "https"):
            raise NotTakenError(f"{self.endpoint} is no http:// or https:// address")
        wait = _FIRST_WAIT
        for number in range(1, _TRIES + 1):
            try:
                self._post(url, body)
            except urllib.error.HTTPError as error:
                with error:
                    told = error.read(_SHOWN).decode("utf-8", "replace")
                if error.code not in _AGAIN or number == _TRIES:
                    raise NotTakenError(
                        f"{url}: {error.code} {error.reason} {told}".strip()
                    ) from None
                wait = _told(error.headers.get("retry-after")) or wait
            except (OSError, http.client.HTTPException, ValueError) as error:
                if number == _TRIES:
                    reason = getattr(error, "reason", None) or error
                    raise NotTakenError(f"{url}: {reason}") from error
            else:
                return
            self.sleep(min(wait, _LONGEST_WAIT))
            wait *= 2

    def _post(self, url: str, body: bytes) -> None:
        headers = {
            "content-type": "application/x-protobuf",
            "content-encoding": "gzip",
            "user-agent": f"llmitm/{__version__}",
            **self.headers,
        }
        request = urllib.request.Request(url, gzip.compress(body), headers, method="POST")
        with urllib.request.urlopen(request, timeout=_SECONDS, context=trust(None)) as answer:
            answer.read(_SHOWN)


def send(collector: Collector, calls: Iterable[Record], *, content: bool) -> int:
    """Send calls as spans and metrics, some at a time; return how many. Raises `NotTakenError`."""
    sent = 0
    calls = iter(calls)
    while batch := list(islice(calls, CALLS_A_REQUEST)):
        collector.post("traces", spans.request(batch, collector.service, content=content))
        collector.post("metrics", metrics.request(batch, collector.service))
        sent += len(batch)
    return sent


def _headers(text: str) -> dict[str, str]:
    """Return the headers that OpenTelemetry's variable names: `name=value,name=value`, percent-encoded."""
    pairs = (pair.partition("=") for pair in text.split(",") if "=" in pair)
    return {name.strip(): unquote(value.strip()) for name, _, value in pairs}


def _told(retry_after: str | None) -> float | None:
    try:
        seconds = float(retry_after or "")
    except ValueError:
        return None
    return seconds if seconds > 0 else None
