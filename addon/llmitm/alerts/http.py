"""Post a message to a webhook, signed where it has a secret."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import IO, Never
from urllib.parse import urlsplit

from llmitm import __version__
from llmitm.alerts.sending import SECONDS, NotSentError, trust
from llmitm.calls import Json

_MOST_ANSWER = 2_000
_SHOWN = 200
_PREFIX = "whsec_"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> None:
        """Follow nothing: what is posted would become a GET elsewhere."""


def post(
    url: str,
    body: Json,
    identity: str,
    *,
    secret: str | None,
    ca_file: str | None,
    now: float,
) -> str:
    """Post JSON and return what the receiver said. Raises `NotSentError`."""
    data = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
    headers = {
        "content-type": "application/json",
        "user-agent": f"llmitm/{__version__}",
        "webhook-id": identity,
    }
    if secret is not None:
        headers |= signature(secret, identity, int(now), data)
    if urlsplit(url).scheme not in ("http", "https"):
        raise NotSentError("the url is no http:// or https:// address")
    try:
        request = urllib.request.Request(url, data, headers, method="POST")
        opener = urllib.request.build_opener(
            _NoRedirect(), urllib.request.HTTPSHandler(context=trust(ca_file))
        )
        with opener.open(request, timeout=SECONDS) as answer:
            return _said(answer.status, answer.read(_MOST_ANSWER))
    except urllib.error.HTTPError as error:
        with error:
            _refused(error)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NotSentError(_reason(error)) from error


def signature(secret: str, identity: str, at: int, data: bytes) -> Mapping[str, str]:
    """Return the headers of Standard Webhooks: HMAC-SHA256 over id, time stamp and body."""
    if secret.startswith(_PREFIX):
        try:
            key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        except ValueError:
            raise NotSentError("the secret begins with whsec_ and is then no base64") from None
    else:
        key = secret.encode()
    digest = hmac.digest(key, f"{identity}.{at}.".encode() + data, hashlib.sha256)
    return {
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def _refused(error: urllib.error.HTTPError) -> Never:
    try:
        body = error.read(_MOST_ANSWER)
    except (OSError, http.client.HTTPException):
        body = b""
    wait = error.headers.get("retry-after", "")
    raise NotSentError(_said(error.code, body), float(wait) if wait.isdecimal() else None)


def _said(status: int, body: bytes) -> str:
    words = " ".join(body.decode("utf-8", "replace").split())[:_SHOWN]
    return f"{status} {words}".strip()


def _reason(error: Exception) -> str:
    """Return what went wrong, without the address: it is a secret."""
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {cause.verify_message}"
    if isinstance(cause, TimeoutError):
        return f"no answer within {SECONDS:.0f} s"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return type(cause).__name__ if isinstance(cause, Exception) else str(cause)
