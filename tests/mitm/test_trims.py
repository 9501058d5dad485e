"""Headers, options and messages are and say the same in fewer steps."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy import http, optmanager
from mitmproxy.coretypes.multidict import MultiDict

from llmitm.mitm.trims import trim_headers, trim_options

NAMES = st.sampled_from([b"Content-Type", b"content-type", b"X-A", b"x-a", b"x_a", b"", b"\xff"])
FIELDS = st.lists(st.tuples(NAMES, st.binary(max_size=6)), max_size=8)
ASKED = st.one_of(NAMES, NAMES.map(lambda name: name.decode("utf-8", "surrogateescape").upper()))


def slow(headers: http.Headers, name: str | bytes) -> list[str]:
    """Return the values of a header the way mitmproxy finds them."""
    key = name if isinstance(name, bytes) else name.encode("utf-8", "surrogateescape")
    found = MultiDict.get_all(headers, key)  # type: ignore[arg-type]
    return [value.decode("utf-8", "surrogateescape") for value in found]  # type: ignore[attr-defined]


@given(FIELDS, ASKED)
def test_headers_say_what_they_said(fields: list[tuple[bytes, bytes]], name: str | bytes) -> None:
    trim_headers()
    headers = http.Headers(fields)
    expected = slow(headers, name)
    assert headers.get_all(name) == expected
    assert (name in headers) == bool(expected)
    assert headers.get(name, "nothing") == (", ".join(expected) if expected else "nothing")
    assert headers.get(name) == (", ".join(expected) if expected else None)
    if expected:
        assert headers[name] == ", ".join(expected)
    else:
        with pytest.raises(KeyError):
            headers[name]


def test_they_can_still_be_changed() -> None:
    trim_headers()
    headers = http.Headers([(b"a", b"1"), (b"A", b"2")])
    headers["a"] = "3"
    headers.setdefault("b", "4")
    assert headers.pop("A") == "3"
    assert headers.fields == ((b"b", b"4"),)
    assert "a" not in headers
    assert 5 not in headers


def test_options_cannot_be_changed_by_who_reads_them() -> None:
    trim_options()
    options = optmanager.OptManager()
    options.add_option("names", Sequence[str], ["a"], "")
    options.add_option("number", int, 1, "")
    options.names.append("b")
    assert (options.names, options.number) == (["a"], 1)
    options.update(names=["c"], number=2)
    options.names.append("d")
    assert (options.names, options.number) == (["c"], 2)
    options.reset()
    assert (options.names, options.number) == (["a"], 1)


def test_messages_of_our_own_proxy_are_not_checked_and_the_others_are() -> None:
    script = """
from mitmproxy import http, optmanager
from llmitm.mitm.trims import trim_checks
request = dict(host="h", port=1, method=b"GET", scheme=b"https", authority=b"", path=b"/", http_version=b"HTTP/1.1",
               headers=http.Headers(), content=b"", trailers=None, timestamp_start=0.0, timestamp_end=None)
try:
    http.RequestData(**request | {"port": "1"})
except TypeError:
    trim_checks()
    http.RequestData(**request | {"port": "1"})
    print(http.Request(**request).url)
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env=os.environ,
    )
    assert done.stdout == "https://h:1/\n"
