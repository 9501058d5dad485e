"""Streams of the Responses API put together.

The terminal event holds the whole response; what came before is kept only to replace what it lacks, for a stream
that was cut has no terminal event, and the Codex backend's has an empty output.
"""

from __future__ import annotations

from typing import NamedTuple

from llmitm.calls import Json
from llmitm.providers.base import Assembler
from llmitm.providers.fields import count, items
from llmitm.providers.limit_bodies import CODEX_EVENT


class _Growing(NamedTuple):
    """A string that comes in pieces: where it stands in which type of item."""

    item: str
    field: str
    parts: str | None = None
    """The list of parts that holds it; None where the item itself does."""
    part: str = ""
    position: str = ""


_GROWING = {
    "response.output_text.delta": _Growing(
        "message", "text", "content", "output_text", "content_index"
    ),
    "response.refusal.delta": _Growing("message", "refusal", "content", "refusal", "content_index"),
    "response.reasoning_text.delta": _Growing(
        "reasoning", "text", "content", "reasoning_text", "content_index"
    ),
    "response.reasoning_summary_text.delta": _Growing(
        "reasoning", "text", "summary", "summary_text", "summary_index"
    ),
    "response.function_call_arguments.delta": _Growing("function_call", "arguments"),
    "response.custom_tool_call_input.delta": _Growing("custom_tool_call", "input"),
    "response.mcp_call_arguments.delta": _Growing("mcp_call", "arguments"),
    "response.code_interpreter_call_code.delta": _Growing("code_interpreter_call", "code"),
}


class ResponseAssembler(Assembler):
    """Collect events into the response object."""

    def __init__(self) -> None:
        self._response: dict[str, Json] = {}
        self._items: dict[int, dict[str, Json]] = {}
        self._pieces: dict[tuple[str, int, int], list[str]] = {}
        self._error: Json = None
        self._limits: list[Json] = []
        self._empty = True

    def add(self, payload: Json, event: str | None) -> bool:
        """Take one event; return whether it carried content."""
        if not isinstance(payload, dict):
            return False
        self._empty = False
        kind = payload.get("type") or event
        if not isinstance(kind, str):
            kind = ""
        if kind.endswith(".delta"):
            self._add_piece(kind, payload)
            return True
        if kind in ("response.output_item.added", "response.output_item.done"):
            if isinstance(item := payload.get("item"), dict):
                self._items[self._index(payload)] = item
        else:
            self._add_state(kind, payload, event)
        return kind.endswith("partial_image")

    def _add_state(self, kind: str, payload: dict[str, Json], event: str | None) -> None:
        """Take what is said of the response as a whole."""
        if isinstance(response := payload.get("response"), dict):
            self._merge(response)
            if "copilot_usage" in payload:  # which stands beside the response
                self._response["copilot_usage"] = payload["copilot_usage"]
        elif payload.get("object") == "response":
            self._merge(payload)  # a whole response as one event, as some gateways send it
        elif kind == CODEX_EVENT:
            self._limits.append(payload)
        elif kind == "error" or event == "error" or "error" in payload:
            self._error = payload.get("error") or payload

    def _merge(self, response: dict[str, Json]) -> None:
        known = self._response
        known.update({k: v for k, v in response.items() if v is not None or k not in known})

    def _index(self, payload: dict[str, Json]) -> int:
        index = count(payload.get("output_index"))
        return len(self._items) if index is None else index

    def _add_piece(self, kind: str, payload: dict[str, Json]) -> None:
        piece, growing = payload.get("delta"), _GROWING.get(kind)
        if growing is None or not isinstance(piece, str):
            return
        index = count(payload.get("output_index")) or 0
        part = count(payload.get(growing.position)) or 0
        self._pieces.setdefault((kind, index, part), []).append(piece)

    def document(self) -> Json:
        """Return the response as far as it came."""
        if self._empty:
            return None
        document = dict(self._response)
        if not document.get("output") and (document or self._items or self._pieces):
            document["output"] = self._output()
        if self._error is not None and not document.get("error"):
            document["error"] = self._error
        if self._limits:
            document[CODEX_EVENT] = self._limits
        return document

    def _output(self) -> list[Json]:
        """Return the items that were announced, those that did not end filled with their pieces."""
        output = {index: dict(item) for index, item in self._items.items()}
        for (kind, index, part), pieces in self._pieces.items():
            growing, whole = _GROWING[kind], "".join(pieces)
            item = output.setdefault(index, {"type": growing.item})
            if growing.parts is None:
                item[growing.field] = item.get(growing.field) or whole
                continue
            parts = list(items(item.get(growing.parts)))
            if part >= len(parts):  # what is there came with the item's end, and is whole
                parts.append({"type": growing.part, growing.field: whole})
            item[growing.parts] = parts
        return [output[index] for index in sorted(output)]
