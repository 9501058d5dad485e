"""Labels of a run, carried in the proxy URL's user part or in a gateway path, so that no app has to send a header.

A label is no secret: whoever can use the proxy may write any. Names and values are percent-encoded one by one, so
that `,` and `=` inside them survive; in a URL's user part the whole is encoded once more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote

_USER = re.compile(r"run-(?P<run_id>[A-Za-z0-9._-]{1,64})")


def encode_tags(tags: Mapping[str, str]) -> str:
    """Return `k=v,k2=v2`, fit for one segment of a path."""
    return ",".join(f"{_quote(name)}={_quote(value)}" for name, value in tags.items())


def decode_tags(text: str) -> dict[str, str]:
    """Read what `encode_tags` wrote, encoded once more or not. What is no `name=value` is left out."""
    if "=" not in text:
        text = unquote(text)
    pairs = (item.partition("=") for item in text.split(","))
    return {unquote(name): unquote(value) for name, equals, value in pairs if name and equals}


def encode(run_id: str, tags: Mapping[str, str]) -> str:
    """Return `user:password` for a proxy URL. The password is never empty: urllib and undici then send neither."""
    return f"run-{run_id}:{_quote(encode_tags(tags)) or '-'}"


def decode(userinfo: str) -> tuple[str | None, dict[str, str]]:
    """Return the run's id and its tags.

    Most clients decode a URL's user part before they send it, some do not: both are read. A user part that is not
    ours, such as somebody's name and password, gives None and no tags.
    """
    user, _, password = userinfo.partition(":")
    match = _USER.fullmatch(user)
    return (match["run_id"], decode_tags(password)) if match else (None, {})


def _quote(text: str) -> str:
    return quote(text, safe="", errors="surrogateescape")
