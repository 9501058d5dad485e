"""multipart/form-data requests: the fields as text, the files as name, type and size only, or as their bytes.

A large form may have gaps, as `uploads` leaves them: position in the body, and the bytes that are missing there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

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

type Gaps = Sequence[tuple[int, int]]


def boundary(content_type: str) -> bytes | None:
    """Return the boundary of a form; None where it is none, or says none."""
    found = _BOUNDARY.search(content_type) if "multipart/" in content_type.lower() else None
    return found.group(1).encode("utf-8", "surrogateescape") if found else None


def parse(body: bytes, content_type: str, gaps: Gaps = ()) -> dict[str, Json] | None:
    """Return the form as a document, or None where it has no boundary.

    A field is its text (a list where it repeats), a file `{"filename", "content_type", "bytes"}` with its size.
    """
    if boundary(content_type) is None:
        return None
    form: dict[str, Json] = {}
    for head, content, missing in _parts(body, content_type, gaps):
        name = _NAME.search(head)
        if name is None:
            continue
        key = _written(name)
        value = _value(head, content, missing)
        if key not in form:
            form[key] = value
        elif isinstance(earlier := form[key], list):
            earlier.append(value)
        else:
            form[key] = [earlier, value]
    return form


def files(body: bytes, content_type: str, gaps: Gaps = ()) -> Iterator[bytes]:
    """Yield the content of each file of a form that is there whole."""
    for head, content, missing in _parts(body, content_type, gaps):
        if _FILENAME.search(head) and not missing:
            yield content


def pieces(body: bytes, content_type: str) -> Sequence[tuple[str | None, bytes]] | None:
    """Return all of a form but its boundary: the name of each part, and the part. None where there is no boundary.

    What stands before the first part and after the last one is a piece without a name.
    """
    mark = boundary(content_type)
    if mark is None:
        return None
    found = []
    for piece in body.split(b"--" + mark):
        name = _NAME.search(piece.partition(b"\r\n\r\n")[0])
        found.append((_written(name) if name else None, piece))
    return found


def _parts(body: bytes, content_type: str, gaps: Gaps) -> Iterator[tuple[bytes, bytes, int]]:
    """Yield head and content of each part, and how many bytes of it are missing."""
    mark = boundary(content_type)
    if mark is None:
        return
    mark = b"--" + mark
    first, *parts = body.split(mark, _MOST_PARTS + 1)
    position = len(first)
    for part in parts[:_MOST_PARTS]:
        start, position = position, position + len(mark) + len(part)
        head, separator, content = part.partition(b"\r\n\r\n")
        if separator:
            missing = sum(size for place, size in gaps if start < place <= position)
            yield head[:_LONGEST_HEAD], content.removesuffix(b"\r\n"), missing


def _value(head: bytes, content: bytes, missing: int) -> Json:
    filename = _FILENAME.search(head)
    if filename is None and len(content) + missing <= _LONGEST_FIELD:
        return content.decode("utf-8", "replace")
    kind = _TYPE.search(head)
    return {
        "filename": _written(filename) if filename else None,
        "content_type": kind.group(1).decode("latin-1").strip() if kind else None,
        "bytes": len(content) + missing,
    }


def _written(parameter: re.Match[bytes]) -> str:
    quoted, bare = parameter.groups()
    return (bare if quoted is None else quoted).decode("utf-8", "replace")
