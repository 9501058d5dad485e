"""What is different between the prompts of two turns, message by message and line by line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from llmitm.conversation import Conversation, Message, common, text

Change = Literal["same", "new", "gone"]
_MOST_LINES = 4_000
"""Lines of one text that are compared; longer ones are shown one after the other."""
_AROUND = 3
"""Lines that are shown around what is different."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A place where two prompts differ."""

    title: str
    lines: Sequence[tuple[Change, str]]


def differences(before: Conversation, after: Conversation) -> Iterator[Difference]:
    """Yield where the later prompt differs from the earlier one."""
    for name, value in _settings(before, after):
        yield Difference(name, value)
    yield from _of_tools(before, after)
    same = common(before.messages, after.messages)
    older, newer = before.messages[same:], after.messages[same:]
    for number, (one, other) in enumerate(zip(older, newer, strict=False), same + 1):
        if one != other:
            yield Difference(
                f"message {number}, {other.role}, changed", compared(text(one), text(other))
            )
    for number, message in enumerate(older[len(newer) :], same + len(newer) + 1):
        yield Difference(f"message {number}, {message.role}, is gone", _all(message, "gone"))
    for number, message in enumerate(newer[len(older) :], same + len(older) + 1):
        yield Difference(f"message {number}, {message.role}, is new", _all(message, "new"))


def compared(before: str, after: str) -> list[tuple[Change, str]]:
    """Return lines of two texts: what they have in common, what is gone, what is new."""
    old, new = before.splitlines(), after.splitlines()
    if max(len(old), len(new)) > _MOST_LINES:
        return [*(("gone", line) for line in old), *(("new", line) for line in new)]
    lines: list[tuple[Change, str]] = []
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    for tag, start, end, new_start, new_end in matcher.get_opcodes():
        if tag == "equal":
            lines += _shortened(old[start:end])
        else:
            lines += [("gone", line) for line in old[start:end]]
            lines += [("new", line) for line in new[new_start:new_end]]
    return lines


def _shortened(lines: Sequence[str]) -> Iterator[tuple[Change, str]]:
    if len(lines) <= 2 * _AROUND + 1:
        yield from (("same", line) for line in lines)
        return
    yield from (("same", line) for line in lines[:_AROUND])
    yield "same", f"⋯ {len(lines) - 2 * _AROUND} lines"
    yield from (("same", line) for line in lines[-_AROUND:])


def _all(message: Message, change: Change) -> list[tuple[Change, str]]:
    return [(change, line) for line in text(message).splitlines()]


def _settings(
    before: Conversation, after: Conversation
) -> Iterator[tuple[str, list[tuple[Change, str]]]]:
    for name in sorted({*before.settings, *after.settings}):
        one, other = before.settings.get(name, ""), after.settings.get(name, "")
        if one != other:
            yield f"setting {name}", compared(one, other)


def _of_tools(before: Conversation, after: Conversation) -> Iterator[Difference]:
    for name in sorted({*before.tools, *after.tools}):
        one, other = before.tools.get(name, ""), after.tools.get(name, "")
        if one != other:
            yield Difference(f"tool {name}", compared(one, other))
    if before.tools != after.tools and list(before.tools) != list(after.tools):
        yield Difference(
            "order of the tools", compared("\n".join(before.tools), "\n".join(after.tools))
        )
