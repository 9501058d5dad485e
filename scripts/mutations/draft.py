"""An exchange that is being changed, and the two bodies of it that a mutation may have."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from random import Random

from llmitm.calls import Exchange

_MOST_PIECES = 200


@dataclass
class Side:
    """A request or a response."""

    headers: list[tuple[str, str]]
    body: bytes

    def set(self, name: str, value: str) -> None:
        """Replace a header, or add it."""
        self.headers = [pair for pair in self.headers if pair[0].lower() != name]
        self.headers.append((name, value))


@dataclass
class Draft:
    """What mutations change."""

    source: Exchange
    request: Side = field(init=False)
    response: Side = field(init=False)
    method: str = field(init=False)
    path: str = field(init=False)
    status: int | None = field(init=False)

    def __post_init__(self) -> None:
        source = self.source
        self.request = Side(list(source.request_headers), source.request_body)
        self.response = Side(list(source.response_headers), b"".join(source.chunks))
        self.method, self.path, self.status = source.method, source.path, source.status

    def side(self, random: Random) -> Side:
        """Return one of the two, mostly the response: far more code looks at it."""
        return self.request if random.random() < 0.3 else self.response

    def exchange(self, name: str, random: Random) -> Exchange:
        """Return the exchange, its response in pieces that are cut anywhere."""
        chunks = cut(self.response.body, random)
        return Exchange(
            id=name,
            started_at=1_790_000_000.0,
            method=self.method,
            scheme=self.source.scheme,
            host=self.source.host,
            port=self.source.port,
            path=self.path,
            request_headers=self.request.headers,
            request_body=self.request.body,
            status=self.status,
            response_headers=self.response.headers,
            chunks=chunks,
            chunk_times=[10.0 * number for number in range(1, len(chunks) + 1)],
            first_byte_ms=5.0,
            latency_ms=10.0 * len(chunks) + 10,
            ending=random.choice(("complete", "complete", "client_gone", "upstream_broke")),
        )


def cut(body: bytes, random: Random) -> list[bytes]:
    """Cut a body into pieces: one, some, or many."""
    if not body:
        return []
    most = min(len(body), random.choice((1, 4, 40, _MOST_PIECES)))
    edges = sorted({0, len(body), *(random.randrange(len(body)) for _ in range(most - 1))})
    return [body[start:end] for start, end in pairwise(edges)]
