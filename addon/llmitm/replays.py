"""A program's LLM calls as a file: written while it runs, and later the only place that its answers come from.

The file is JSON lines as `llmitm explain` reads them (exchanges.py), without keys and cookies. A call is found in it by
the cache's key, without credentials and without what its client changes every time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import IO

from llmitm import exchanges
from llmitm.calls import Exchange, Headers, header
from llmitm.errors import SettingsError
from llmitm.identity import credentials, is_secret_header
from llmitm.policy.cache_key import Parts, parts
from llmitm.policy.caching import decoded, is_whole
from llmitm.policy.differences import Difference, differences
from llmitm.policy.directives import CacheDirective
from llmitm.redact import Redactor, spellings
from llmitm.wire.encodings import decode

_ALIKE = CacheDirective(share_between_keys=True)
_HEAD_WEIGHT = 1_000
_MOST_COUNTED = 500


def portable(exchange: Exchange) -> Exchange:
    """Return a call as it may be given to others: out of its content encodings, without keys and cookies."""
    secrets = spellings(credentials(exchange))
    redactor = Redactor()
    chunks = decoded(exchange)
    encoding = header(exchange.request_headers, "content-encoding")
    made = replace(
        exchange,
        path=redactor.path(exchange.path, secrets),
        request_headers=_headers(exchange.request_headers, redactor, secrets),
        request_body=_struck(decode(exchange.request_body, encoding), redactor, secrets),
        response_headers=_headers(exchange.response_headers, redactor, secrets),
        chunks=[chunk for chunk, _ in chunks or ()],
        chunk_times=[at for _, at in chunks or ()],
        response_truncated=chunks is None or exchange.response_truncated,
    )
    whole = b"".join(made.chunks)
    if (struck := _struck(whole, redactor, secrets)) != whole:
        made.chunks, made.chunk_times = [struck], made.chunk_times[-1:]
    return made


def _headers(headers: Headers, redactor: Redactor, secrets: Sequence[str]) -> Headers:
    return [
        (name, redactor.text(value, secrets))
        for name, value in headers
        if not is_secret_header(name)
        and name.lower() not in ("set-cookie", "content-encoding", "content-length")
    ]


def _struck(body: bytes, redactor: Redactor, secrets: Sequence[str]) -> bytes:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return body
    struck = redactor.text(text, secrets)
    return body if struck == text else struck.encode()


class Recording:
    """The file that calls are written into, in the order in which they end. A file that is there is gone on with."""

    def __init__(self, path: Path) -> None:
        """Raises `SettingsError`."""
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        except OSError as error:
            raise SettingsError(f"{path}: cannot be written: {error.strerror}") from error
        self._file: IO[bytes] = os.fdopen(descriptor, "ab", buffering=0)
        self._thread = ThreadPoolExecutor(1, "llmitm-recording")
        self.path = path

    def add(self, exchange: Exchange) -> Future[None]:
        """Write a call, which must not change any more. Does not wait."""
        return self._thread.submit(self._write, exchange)

    def close(self) -> None:
        """Write what is waiting and close the file."""
        self._thread.shutdown()
        self._file.close()

    def _write(self, exchange: Exchange) -> None:
        self._file.write(exchanges.to_line(portable(exchange)).encode() + b"\n")


@dataclass(slots=True)
class _Recorded:
    """Calls that ask the same, in order."""

    answers: list[Exchange] = field(default_factory=list)
    given: int = 0


class Replay:
    """The answers of a file."""

    def __init__(self, path: Path, calls: Sequence[Exchange]) -> None:
        self._path = path
        self._lock = Lock()
        self._calls: list[Parts] = []
        self._by_key: dict[bytes, _Recorded] = {}
        for call in calls:
            made = parts(call, _ALIKE)
            self._calls.append(made)
            self._by_key.setdefault(made.key(), _Recorded()).answers.append(call)

    @classmethod
    def read(cls, path: Path) -> Replay:
        """Read a file. Raises `SettingsError`, which names the line that is wrong."""
        calls = []
        try:
            with path.open("rb") as file:
                for call in exchanges.read(file, str(path), time.time()):
                    if isinstance(call, exchanges.Fault):
                        raise SettingsError(f"{call.place}: {call.reason}")
                    calls.append(portable(call))
        except OSError as error:
            raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
        return cls(path, [call for call in calls if is_whole(call)])

    def find(self, exchange: Exchange) -> Exchange | str:
        """Return the recorded call whose answer is next, the last again and again; or why there is none."""
        asked = parts(portable(exchange), _ALIKE)
        recorded = self._by_key.get(asked.key())
        if recorded is None:
            return self._miss(asked)
        with self._lock:
            found = recorded.answers[min(recorded.given, len(recorded.answers) - 1)]
            recorded.given += 1
        return found

    def _miss(self, asked: Parts) -> str:
        """Name the call that is most like the one that is asked for, and the first difference."""
        if not self._calls:
            return f"{self._path} has no calls"
        counted = [_differences(call, asked) for call in self._calls]
        number = min(range(len(counted)), key=lambda each: _distance(counted[each]))
        nearest = counted[number]
        start = f"not in {self._path}: the nearest is call {number + 1}, {self._calls[number].path}"
        if not nearest:
            return f"{start}, which differs in bytes that are no JSON"
        recorded, now = nearest[0].shown()
        return f"{start}, which differs at {nearest[0].path}: recorded {recorded}, asked {now}"


def _differences(recorded: Parts, asked: Parts) -> list[Difference]:
    heads = differences(_head(recorded), _head(asked), "call")
    bodies = differences(recorded.document, asked.document)
    return [*heads, *islice(bodies, _MOST_COUNTED)]


def _head(call: Parts) -> dict[str, object]:
    """Return what is compared beside the body."""
    return {
        "method": call.method,
        "origin": call.origin,
        "path": call.path,
        "query": list(map(list, call.query)),
        "headers": dict(call.headers),
    }


def _distance(found: Sequence[Difference]) -> int:
    return sum(_HEAD_WEIGHT if each.path.startswith("call") else 1 for each in found)
