"""The events of a streamed message, put together into the message.

`message_delta` repeats usage fields of `message_start` with later counts: they overwrite and are never added.
https://platform.claude.com/docs/en/build-with-claude/streaming (read 2026-11-24)
"""

from __future__ import annotations

from llmitm.calls import Json
from llmitm.providers.base import Assembler
from llmitm.providers.fields import items, mapping, text
from llmitm.wire import jsontext

_PIECES = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
    "compaction_delta": "content",
}
"""Deltas that add to a text field of their block."""
_OF_BLOCK = {"partial_json": "tool_use", "signature": "thinking", "content": "compaction"}
"""Which block a field belongs to, where it is not called so itself."""


class MessageAssembler(Assembler):
    """Put a message together."""

    def __init__(self) -> None:
        self._message: dict[str, Json] | None = None
        self._blocks: dict[Json, dict[str, Json]] = {}
        self._pieces: dict[tuple[Json, str], list[str]] = {}
        self._error: Json = None

    def add(self, payload: Json, event: str | None) -> bool:
        """Take one event."""
        body = mapping(payload)
        match body.get("type"):
            case "content_block_delta":
                return self._delta(body.get("index"), mapping(body.get("delta")))
            case "content_block_start":
                block = dict(mapping(body.get("content_block")))
                self._blocks[_key(body.get("index"))] = block
                return block.get("type") not in ("text", "thinking")
            case "message_start":
                self._message = dict(mapping(body.get("message")))
            case "message_delta":
                self._message_delta(body)
            case "error":
                self._error = body.get("error") or body
        return False

    def document(self) -> Json:
        """Return the message, with `error` where the stream ended in one."""
        if self._message is None and not self._blocks and self._error is None:
            return None
        for (index, name), pieces in self._pieces.items():
            block = self._blocks[index]
            if name == "partial_json":
                block["input"] = _input("".join(pieces))
            else:
                block[name] = (text(block.get(name)) or "") + "".join(pieces)
        self._pieces.clear()
        document = dict(self._message or {})
        if self._message is not None or self._blocks:
            document["content"] = list(self._blocks.values())
        if self._error is not None:
            document["error"] = self._error
        return document

    def _delta(self, index: Json, delta: dict[str, Json]) -> bool:
        kind = text(delta.get("type"))
        if kind == "input_json_delta":
            name = "partial_json"
        elif kind in _PIECES:
            name = _PIECES[kind]
        else:
            if kind == "citations_delta":
                block = self._blocks.setdefault(_key(index), {})
                block["citations"] = [*items(block.get("citations")), delta.get("citation")]
            return False
        piece = delta.get(name)
        if not isinstance(piece, str):
            return False
        key = _key(index)
        if key not in self._blocks:  # its start was lost, or never sent
            self._blocks[key] = {"type": _OF_BLOCK.get(name, name)}
        self._pieces.setdefault((key, name), []).append(piece)
        return bool(piece) and name != "signature"

    def _message_delta(self, body: dict[str, Json]) -> None:
        message = self._message = self._message if self._message is not None else {}
        message.update(mapping(body.get("delta")))
        usage = {
            name: value for name, value in mapping(body.get("usage")).items() if value is not None
        }
        message["usage"] = {**mapping(message.get("usage")), **usage}
        if body.get("context_management") is not None:
            message["context_management"] = body["context_management"]


def _key(index: Json) -> Json:
    return index if isinstance(index, int | str) else None


def _input(written: str) -> Json:
    """Return a tool's input; its text where it is not JSON, because the stream broke off in it."""
    if not written:
        return {}
    parsed = jsontext.parse_or_none(written)
    return parsed if parsed is not None else written
