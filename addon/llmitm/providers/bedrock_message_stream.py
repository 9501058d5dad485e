"""The events of ConverseStream, put together into what Converse would have answered.

Nova's own streams have the same events, each under its name in an object, and a block index for every delta.
Usage comes in `metadata`, after `messageStop`.
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStreamOutput.html (read 2026-11-26)
"""

from __future__ import annotations

from llmitm.calls import Json
from llmitm.providers.base import Assembler
from llmitm.providers.fields import count, mapping
from llmitm.wire import jsontext

EVENTS = frozenset(
    {
        "messageStart",
        "contentBlockStart",
        "contentBlockDelta",
        "contentBlockStop",
        "messageStop",
        "metadata",
    }
)
_PADDING = "p"
"""Filler against traffic analysis."""


class ConverseAssembler(Assembler):
    """Put a message together."""

    def __init__(self) -> None:
        self._document: dict[str, Json] = {}
        self._role: Json = None
        self._blocks: dict[int, _Block] = {}
        self._has_message = False

    def add(self, payload: Json, event: str | None) -> bool:
        """Take one event, named by its frame or by itself; return whether it carried content."""
        body = mapping(payload)
        if event == "error":
            self._document["error"] = payload
            return False
        if event in EVENTS:
            return self._add(event, body)
        content = False
        for name, value in body.items():
            if name in EVENTS:
                content |= self._add(name, mapping(value))
        return content

    def _add(self, event: str, body: dict[str, Json]) -> bool:
        match event:
            case "messageStart":
                self._has_message = True
                self._role = body.get("role")
            case "contentBlockStart":
                return self._block(body).start(mapping(body.get("start")))
            case "contentBlockDelta":
                return self._block(body).add(mapping(body.get("delta")))
            case "messageStop" | "metadata":
                kept = {key: value for key, value in body.items() if key != _PADDING}
                self._document.update(kept)
        return False

    def _block(self, body: dict[str, Json]) -> _Block:
        self._has_message = True
        return self._blocks.setdefault(count(body.get("contentBlockIndex")) or 0, _Block())

    def document(self) -> Json:
        """Return the answer in its unstreamed form, with `error` where the stream ended in one."""
        document = dict(self._document)
        if self._has_message:
            blocks = [self._blocks[index].whole() for index in sorted(self._blocks)]
            message = {"role": self._role or "assistant", "content": blocks}
            document["output"] = {"message": message}
        return document or None


class _Block:
    """One block of the content; what kind it is, its deltas tell."""

    def __init__(self) -> None:
        self._start: dict[str, Json] = {}
        self._pieces: dict[str, list[str]] = {}
        self._citations: list[Json] = []
        self._others: dict[str, list[Json]] = {}

    def start(self, start: dict[str, Json]) -> bool:
        self._start = start
        return "toolUse" in start

    def add(self, delta: dict[str, Json]) -> bool:
        content = False
        for key, value in delta.items():
            if key == "text":
                content |= self._grow("text", value)
            elif key == "toolUse":
                content |= self._grow("input", mapping(value).get("input"))
            elif key == "reasoningContent":
                for name, piece in mapping(value).items():
                    content |= self._grow(f"reasoning {name}", piece) and name == "text"
            elif key == "citation":
                self._citations.append(value)
            else:  # images, results of tools that the provider ran
                self._others.setdefault(key, []).append(value)
                content = True
        return content

    def _grow(self, name: str, piece: Json) -> bool:
        if not isinstance(piece, str):
            return False
        self._pieces.setdefault(name, []).append(piece)
        return bool(piece)

    def whole(self) -> dict[str, Json]:
        """Return the block in its unstreamed form."""
        joined = {name: "".join(pieces) for name, pieces in self._pieces.items()}
        block: dict[str, Json] = {**self._start, **self._others}
        if "input" in joined or "toolUse" in self._start:
            call = mapping(self._start.get("toolUse"))
            block["toolUse"] = {**call, "input": _input(joined.get("input", ""))}
        if reasoning := _reasoning(joined):
            block["reasoningContent"] = reasoning
        if self._citations:
            said = [{"text": joined["text"]}] if "text" in joined else []
            block["citationsContent"] = {"content": said, "citations": list(self._citations)}
        elif "text" in joined:
            block["text"] = joined["text"]
        return block


def _reasoning(joined: dict[str, str]) -> dict[str, Json]:
    own = {"text": joined.get("reasoning text"), "signature": joined.get("reasoning signature")}
    reasoning: dict[str, Json] = {}
    if found := {name: value for name, value in own.items() if value is not None}:
        reasoning["reasoningText"] = found
    if (redacted := joined.get("reasoning redactedContent")) is not None:
        reasoning["redactedContent"] = redacted
    return reasoning


def _input(written: str) -> Json:
    """Return a tool's input; its text where it is not JSON, because the stream broke off in it."""
    if not written:
        return {}
    parsed = jsontext.parse_or_none(written)
    return written if parsed is None else parsed
