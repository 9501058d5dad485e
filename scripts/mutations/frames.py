"""The frames of a body, taken apart and put together again: events, lines, AWS messages; and mutations of them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from mutations.draft import Draft
from mutations.plain import Mutation
from wire import aws

_PRELUDE = struct.Struct(">II")
_FIELDS = (
    b"data",
    b"data ",
    b"DATA",
    b"dat",
    b"event",
    b"id",
    b"retry",
    b"",
    b"data\x00",
    b": data",
)
_MOST_REPEATED = 300


@dataclass
class Texts:
    """The documents of a body, and how they become one again."""

    documents: list[bytes]
    join: Callable[[], bytes]


def split(body: bytes) -> Texts:
    """Return the JSON documents of a body: itself, its events, its lines, or its AWS messages."""
    if (messages := _messages(body)) is not None:
        payloads = [payload for _, payload in messages]
        return Texts(
            payloads,
            lambda: b"".join(
                aws.framed(headers, payload)
                for (headers, _), payload in zip(messages, payloads, strict=True)
            ),
        )
    if b"data:" in body[:2_000]:
        lines = body.split(b"\n")
        found = [number for number, line in enumerate(lines) if line.startswith(b"data:")]
        documents = [lines[number][5:] for number in found]

        def join() -> bytes:
            for number, document in zip(found, documents, strict=True):
                lines[number] = b"data:" + document
            return b"\n".join(lines)

        return Texts(documents, join)
    if b"}\n{" in body:
        documents = body.split(b"\n")
        return Texts(documents, lambda: b"\n".join(documents))
    whole = [body]
    return Texts(whole, lambda: whole[0])


def _messages(body: bytes) -> list[tuple[bytes, bytes]] | None:
    """Return headers and payload of each AWS message; None where it is none."""
    messages, at = [], 0
    while at < len(body):
        if len(body) - at < 16:
            return None
        length, headers = _PRELUDE.unpack_from(body, at)
        if not 16 + headers <= length <= len(body) - at:
            return None
        messages.append(
            (body[at + 12 : at + 12 + headers], body[at + 12 + headers : at + length - 4])
        )
        at += length
    return messages or None


def reordered(draft: Draft, random: Random) -> None:
    """Put events in another order, double them, leave some out, or repeat one many times."""
    texts = split(draft.response.body)
    documents = texts.documents
    if len(documents) < 2:
        return
    order = list(documents)
    match random.randrange(4):
        case 0:
            random.shuffle(order)
        case 1:
            order.reverse()
        case 2:
            order = [random.choice(order) for _ in order]
        case _:
            at = random.randrange(len(order))
            order = [order[at]] * len(order)
    documents[:] = order
    draft.response.body = texts.join()


def repeated(draft: Draft, random: Random) -> None:
    """Send an event again and again."""
    separator = b"\n\n" if b"data:" in draft.response.body else b"\n"
    events = draft.response.body.split(separator)
    at = random.randrange(len(events))
    if len(events[at]) < 2_000:
        events[at:at] = [events[at]] * random.randrange(1, _MOST_REPEATED)
    draft.response.body = separator.join(events)


def fields(draft: Draft, random: Random) -> None:
    """Mangle the names of the fields of events, and what stands around them."""
    lines = draft.response.body.split(b"\n")
    for _ in range(random.choice((1, 3, 10))):
        at = random.randrange(len(lines))
        name, colon, value = lines[at].partition(b":")
        match random.randrange(5):
            case 0:
                lines[at] = random.choice(_FIELDS) + colon + value
            case 1:
                lines[at] = name + value
            case 2:
                lines[at] = name + b":" + b" " * random.choice((0, 2, 500)) + value.lstrip()
            case 3:
                half = len(value) // 2
                lines[at] = name + b":" + value[:half] + b"\n" + name + b":" + value[half:]
            case _:
                lines.insert(at, random.choice((b"", b":", b": ping", b"event: error", b"\r")))
    draft.response.body = b"\n".join(lines)


def lengths(draft: Draft, random: Random) -> None:
    """Give AWS messages wrong lengths, checksums and headers."""
    messages = _messages(draft.response.body)
    if messages is None:
        return
    at = random.randrange(len(messages))
    headers, payload = messages[at]
    framed = [aws.framed(*message) for message in messages]
    match random.randrange(5):
        case 0:
            odd = bytearray(framed[at])
            odd[random.randrange(len(odd))] ^= 1 << random.randrange(8)
            framed[at] = bytes(odd)
        case 1:
            odd = bytearray(headers or b"\0")
            odd[random.randrange(len(odd))] = random.randrange(256)
            framed[at] = aws.framed(bytes(odd), payload)
        case 2:
            size = random.choice((0, 1, 15, 16, 2**31, 2**32 - 1))
            framed[at] = struct.pack(">I", size) + framed[at][4:]
        case 3:
            framed[at] = aws.framed(headers[: random.randrange(len(headers) + 1)], payload)
        case _:
            kind = aws.text_header(":message-type", random.choice(("exception", "error", "\x00")))
            framed[at] = aws.framed(kind + headers, payload)
    draft.response.body = b"".join(framed)


MUTATIONS: tuple[Mutation, ...] = (reordered, repeated, fields, lengths)
