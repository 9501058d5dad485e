"""Partial responses of a stream put together: parts are appended, all else is the latest word.

Usage comes on every chunk and grows; the last object is taken whole, because early ones lack counts.
"""

from __future__ import annotations

from llmitm.calls import Json
from llmitm.providers.base import Assembler
from llmitm.providers.fields import count, items, mapping


class ResponseAssembler(Assembler):
    """Put a response together."""

    def __init__(self) -> None:
        self._document: dict[str, Json] = {}
        self._candidates: dict[int, dict[str, Json]] = {}
        self._parts: dict[int, list[Json]] = {}

    def add(self, payload: Json, event: str | None) -> bool:
        """Take one partial response."""
        body = mapping(payload)
        content = False
        for key, value in body.items():
            if key != "candidates":
                self._document[key] = value
                continue
            self._document.setdefault(key, [])
            for candidate in map(mapping, items(value)):
                content |= self._candidate(candidate)
        return content

    def document(self) -> Json:
        """Return the response."""
        if not self._document:
            return None
        document = dict(self._document)
        if self._candidates:
            document["candidates"] = [self._whole(index) for index in sorted(self._candidates)]
        return document

    def _candidate(self, candidate: dict[str, Json]) -> bool:
        index = count(candidate.get("index")) or 0
        known = self._candidates.setdefault(index, {})
        for key, value in candidate.items():
            if key == "content":
                content = mapping(value)
                known[key] = {**mapping(known.get(key)), **content}
            elif value is not None:
                known[key] = value
        parts = items(mapping(candidate.get("content")).get("parts"))
        self._parts.setdefault(index, []).extend(parts)
        return any(mapping(part).get("text") != "" for part in parts)

    def _whole(self, index: int) -> dict[str, Json]:
        candidate = dict(self._candidates[index])
        if parts := self._parts.get(index):
            candidate["content"] = {**mapping(candidate.get("content")), "parts": _merged(parts)}
        return candidate


def _merged(parts: list[Json]) -> list[Json]:
    """Join text parts that follow each other and are alike: a stream cuts one text into many."""
    merged: list[Json] = []
    texts: list[str] = []
    last: Json = None

    def close() -> None:
        if texts:
            merged.append({**last, "text": "".join(texts)})
            texts.clear()

    for part in parts:
        if (
            isinstance(part, dict)
            and isinstance(part.get("text"), str)
            and set(part) <= {"text", "thought"}
        ):
            if texts and last.get("thought") != part.get("thought"):
                close()
            last = part
            texts.append(part["text"])
        else:
            close()
            merged.append(part)
    close()
    return merged
