"""What must hold of every dialect, whatever it was given to read."""

from __future__ import annotations

from collections.abc import Iterable

from llmitm.calls import Answer, Json
from llmitm.providers.base import Assembler, Dialect, Head


def is_read(dialect: Dialect, document: Json, head: Head) -> None:
    """Read a whole answer, which may be anything."""
    answer = dialect.answer(document, head)
    assert answer.document is document
    assert all(call.name and isinstance(call.arguments, str) for call in answer.tool_calls)


def is_put_together(
    dialect: Dialect, assembler: Assembler, events: Iterable[tuple[Json, str | None]], head: Head
) -> None:
    """Put a stream together, and read it twice: to read it changes nothing."""
    for payload, name in events:
        assert assembler.add(payload, name) in (True, False)

    def read() -> Answer:
        return dialect.answer(assembler.document(), head)

    assert repr(read()) == repr(read())  # by text, for NaN does not equal itself
