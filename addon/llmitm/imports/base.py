"""What the readers of other programs' files have in common: the exchange that a call must have been.

Only what the file tells is put into it, so the log reads, prices and redacts it as it does a call of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple, Protocol

from llmitm.calls import Exchange, Json
from llmitm.exchanges import Fault
from llmitm.ids import id_of
from llmitm.wire import jsontext

Source = Literal["helicone", "claude-code", "codex"]
IMPORTED = "imported"
"""The property that says where a call was imported from."""

_JSON_TYPE = ("content-type", "application/json")


class Importer(Protocol):
    """Reads one kind of file."""

    def __call__(self, file: BinaryIO, name: str) -> Iterator[Exchange | Fault]:
        """Yield the calls of a file called `name`, and what in it is none."""


class Told(NamedTuple):
    """What a file tells of a call beside its bodies."""

    source: Source
    name: str
    """What tells it from all other calls of the source."""
    at: float
    host: str
    path: str
    headers: Mapping[str, str] = {}
    properties: Mapping[str, str] = {}
    status: int = 200
    latency_ms: float | None = None
    first_byte_ms: float | None = None
    notes: tuple[str, ...] = ()


def exchange(told: Told, request: Json, response: Json) -> Exchange:
    """Return a call as the exchange that it must have been; a body that is None was not told."""
    body = b"" if response is None else jsontext.compact(response).encode("utf-8", "surrogatepass")
    asked = b"" if request is None else jsontext.compact(request).encode("utf-8", "surrogatepass")
    headers = {name.lower(): value for name, value in told.headers.items() if value}
    return Exchange(
        id=id_of(told.at, f"{told.source} {told.name}"),
        started_at=told.at,
        method="POST",
        scheme="https",
        host=told.host,
        port=443,
        path=told.path,
        request_headers=[_JSON_TYPE, *headers.items()],
        request_body=asked,
        status=told.status,
        response_headers=[_JSON_TYPE],
        chunks=[body] if body else [],
        chunk_times=[told.latency_ms] if body and told.latency_ms is not None else [],
        first_byte_ms=told.first_byte_ms,
        latency_ms=told.latency_ms,
        caller=lambda: {IMPORTED: told.source, **told.properties},
        notes=list(told.notes),
    )


def lines(file: BinaryIO, name: str) -> Iterator[tuple[str, dict[str, Json]] | Fault]:
    """Yield the objects of JSON lines, each with its place."""
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        place = f"{name}:{number}"
        try:
            document = jsontext.parse(line)
        except ValueError as error:
            yield Fault(place, f"is no JSON: {error}")
            continue
        if isinstance(document, dict):
            yield place, document
        else:
            yield Fault(place, "is no JSON object")


def moment(value: Json) -> float | None:
    """Return ISO 8601 text as seconds since the epoch, UTC where it has no offset; None where it is no time."""
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def within(folder: Path, pattern: str) -> list[Path]:
    """Return the files of a folder that have a pattern, the oldest first by their names."""
    return sorted(path for path in folder.glob(pattern) if path.is_file())
