"""What is taken off a request, whatever its names are made of."""

from __future__ import annotations

import pytest
from mitmproxy import http

from llmitm.mitm.heads import take_off_control_headers


@pytest.mark.parametrize(
    "name", [b"Helicone-Cache-Enabled", b"HELICONE-\xff", "Helicone-É".encode(), b"x-LLMITM-a"]
)
def test_control_headers_are_taken_off(name: bytes) -> None:
    kept = (b"Accept", b"*/*"), (b"X-\xff", b"1")
    fields = [kept[0], (name, b"true"), (name.lower(), b"false"), kept[1]]
    request = http.Request.make("POST", "https://api.openai.com/")
    request.headers = http.Headers(fields)
    assert take_off_control_headers(request)
    assert request.headers.fields == kept


def test_what_is_signed_stays() -> None:
    signed = "AWS4-HMAC-SHA256 Credential=k/d/r/s/aws4_request, SignedHeaders=helicone-a;host, Signature=1"
    fields = [(b"Authorization", signed.encode()), (b"Helicone-A", b"1"), (b"Helicone-B", b"2")]
    request = http.Request.make("POST", "https://bedrock-runtime.us-east-1.amazonaws.com/")
    request.headers = http.Headers(fields)
    assert take_off_control_headers(request)
    assert request.headers.fields == tuple(fields[:2])
