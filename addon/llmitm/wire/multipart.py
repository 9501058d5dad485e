"""multipart/form-data requests: the fields as text, the files as name, type and size only, or as their bytes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmitm.calls import Json

_BOUNDARY = re.compile(r'boundary="?([^";]+)"?', re.IGNORECASE)
_PARAMETER = rb'=(?:"((?:[^"\\]|\\.)*)"|([^";\s]+))'  # .NET leaves the quotes out
_NAME = re.compile(rb"\bname" + _PARAMETER)
_FILENAME = re.compile(rb"\bfilename" + _PARAMETER)
_TYPE = re.compile(rb"^content-type:\s*([^\r\n]+)", re.IGNORECASE | re.MULTILINE)
_LONGEST_FIELD = 65_536
_LONGEST_HEAD = 16_384
_MOST_PARTS = 10_000
"""No form of a person has as many; the others are left out."""


def parse(body: bytes, content_type: str) -> dict[str, Json] | None:
    """Return the form as a document, or None where it has no boundary.

    A field is its text (a list where it repeats), a file `{"filename", "content_type", "bytes"}` with its size.
    """
    if _BOUNDARY.search(content_type) is None:
        return None
    form: dict[str, Json] = {}
    for head, content in _parts(body, content_type):
        name = _NAME.search(head)
        if name is None:
            continue
        key = _written(name)
        value = _value(head, content)
        if key not in form:
            form[key] = value
        elif isinstance(earlier := form[key], list):
            earlier.append(value)
        else:
            form[key] = [earlier, value]
    return form


def files(body: bytes, content_type: str) -> Iterator[bytes]:
    """Yield the content of each file of a form."""
    for head, content in _parts(body, content_type):
        if _FILENAME.search(head):
            yield content


def _parts(body: bytes, content_type: str) -> Iterator[tuple[bytes, bytes]]:
    """Yield head and content of each part."""
    match = _BOUNDARY.search(content_type)
    if match is None:
        return
    boundary = b"--" + match.group(1).encode("utf-8", "surrogateescape")
    for part in body.split(boundary, _MOST_PARTS + 1)[1 : _MOST_PARTS + 1]:
        head, separator, content = part.partition(b"\r\n\r\n")
        if separator:
            yield head[:_LONGEST_HEAD], content.removesuffix(b"\r\n")


def _value(head: bytes, content: bytes) -> Json:
    filename = _FILENAME.search(head)
    if filename is None and len(content) <= _LONGEST_FIELD:
        return content.decode("utf-8", "replace")
    kind = _TYPE.search(head)
    return {
        "filename": _written(filename) if filename else None,
        "content_type": kind.group(1).decode("latin-1").strip() if kind else None,
        "bytes": len(content),
    }


def _written(parameter: re.Match[bytes]) -> str:
    quoted, bare = parameter.groups()
    return (bare if quoted is None else quoted).decode("utf-8", "replace")
