"""Mutations that know nothing of what the bytes mean."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from mutations.draft import Draft

type Mutation = Callable[[Draft, Random], None]

_INSERTED = (
    b"\x00",
    b"\xff\xfe",
    b"\xc3",  # the first half of a letter
    b"\xed\xa0\x80",  # a lone surrogate as bytes
    b"\xef\xbb\xbf",
    b'"',
    b"\\",
    b"\\u",
    b'"\\ud83d"',
    b"{",
    b"[",
    b"}",
    b"]",
    b"\n\n",
    b"\r",
    b"data:",
    b"data: [DONE]\n\n",
    b"event: error\n",
    b"NaN",
    b"-",
    b"1e999",
    b",",
)


def truncated(draft: Draft, random: Random) -> None:
    """End a body anywhere."""
    side = draft.side(random)
    side.body = side.body[: random.randrange(len(side.body) + 1)]


def beheaded(draft: Draft, random: Random) -> None:
    """Begin a body anywhere."""
    side = draft.side(random)
    side.body = side.body[random.randrange(len(side.body) + 1) :]


def flipped(draft: Draft, random: Random) -> None:
    """Change some bits."""
    side = draft.side(random)
    body = bytearray(side.body)
    for _ in range(random.choice((1, 1, 3, 30)) if body else 0):
        body[random.randrange(len(body))] ^= 1 << random.randrange(8)
    side.body = bytes(body)


def inserted(draft: Draft, random: Random) -> None:
    """Put something in that means something, somewhere."""
    side = draft.side(random)
    at = random.randrange(len(side.body) + 1)
    side.body = side.body[:at] + random.choice(_INSERTED) + side.body[at:]


def pieces(draft: Draft, random: Random) -> None:
    """Double a piece, take it out, or put it elsewhere."""
    side = draft.side(random)
    start, end = sorted(random.randrange(len(side.body) + 1) for _ in range(2))
    before, piece, after = side.body[:start], side.body[start:end], side.body[end:]
    match random.randrange(4):
        case 0:
            side.body = before + piece + piece + after
        case 1:
            side.body = before + after
        case 2:
            side.body = piece + before + after
        case _:
            side.body = after + piece + before


def line_ends(draft: Draft, random: Random) -> None:
    """End lines in another way, or not at all."""
    side = draft.side(random)
    side.body = side.body.replace(b"\r\n", b"\n").replace(
        b"\n", random.choice((b"\r\n", b"\r", b"\n\n", b"\n\r", b" ", b""))
    )


def charset(draft: Draft, random: Random) -> None:
    """Write the text in another encoding than it says."""
    side = draft.side(random)
    text = side.body.decode("utf-8", "replace")
    side.body = text.encode(random.choice(("utf-16", "utf-32", "latin-1", "utf-7")), "replace")
    if random.random() < 0.5:
        side.set("content-type", "application/json; charset=shift_jis")


def emptied(draft: Draft, random: Random) -> None:
    """Leave a body out."""
    draft.side(random).body = b""


def swapped(draft: Draft, random: Random) -> None:
    """Send the request as the answer, or the answer as the request."""
    if random.random() < 0.5:
        draft.response.body = draft.request.body
    else:
        draft.request.body = draft.response.body


MUTATIONS: tuple[Mutation, ...] = (
    truncated,
    truncated,
    beheaded,
    flipped,
    flipped,
    inserted,
    inserted,
    pieces,
    pieces,
    line_ends,
    charset,
    emptied,
    swapped,
)
