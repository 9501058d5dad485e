"""Headers of requests and responses on their way: what is for us, what is signed, what a changed body may not keep."""

from __future__ import annotations

from mitmproxy import http

from llmitm.policy.control import control_headers, signed_headers, without_helicone_key


def pairs(headers: http.Headers) -> list[tuple[str, str]]:
    """Return headers as they are kept."""
    return list(headers.items(multi=True))


def take_off_control_headers(request: http.Request) -> bool:
    """Take off what is meant for us, unless it is signed; return whether there was any of it."""
    # As mitmproxy compares and decodes names, but without its object for each look-up.
    names = (name.lower().decode("utf-8", "surrogateescape") for name, _ in request.headers.fields)
    ours = dict.fromkeys(control_headers(names))
    authorization: str = request.headers.get("authorization", "")
    signed = signed_headers(authorization)
    for name in ours:
        if name not in signed:
            del request.headers[name]
    if authorization:
        kept = without_helicone_key(authorization)
        if kept is None:
            del request.headers["authorization"]
        elif kept != authorization:
            request.headers["authorization"] = kept
    return bool(ours)


def length(request: http.Request) -> int | None:
    """Return how long a body is said to be."""
    told: str = request.headers.get("content-length", "")
    return int(told) if told.isdecimal() else None


def is_signed(headers: http.Headers) -> bool:
    """Tell whether the body may not be changed, because it is signed (AWS SigV4)."""
    authorization: str = headers.get("authorization", "")
    return authorization.startswith("AWS4-HMAC-SHA256")


def is_plain_event_stream(response: http.Response) -> bool:
    """Tell whether the events of an answer can be read, and changed, as they pass."""
    kind: str = response.headers.get("content-type", "").lower()
    encoding: str = response.headers.get("content-encoding", "identity").lower()
    return kind.startswith("text/event-stream") and encoding == "identity"


def drop_length(response: http.Response) -> None:
    """A body that gets shorter on its way cannot keep its stated length."""
    if response.headers.pop("content-length", None) is not None and response.is_http11:
        response.headers["transfer-encoding"] = "chunked"
