"""The events of a streamed interaction, put together into the interaction.

The last event has all of it but the steps, which only the deltas carry.
"""

from __future__ import annotations

from llmitm.calls import Json
from llmitm.providers.base import Assembler
from llmitm.providers.fields import items, mapping, text
from llmitm.wire import jsontext


class InteractionAssembler(Assembler):
    """Put an interaction together."""

    def __init__(self) -> None:
        self._interaction: dict[str, Json] = {}
        self._steps: dict[Json, dict[str, Json]] = {}
        self._pieces: dict[tuple[Json, str], list[str]] = {}
        self._error: Json = None

    def add(self, payload: Json, event: str | None) -> bool:
        """Take one event."""
        body = mapping(payload)
        kind = text(body.get("event_type")) or event
        # Usage so far: all there is of it where the stream is cut off.
        metadata = mapping(body.get("metadata"))
        if isinstance(metadata.get("usage"), dict):
            self._interaction["usage"] = metadata["usage"]
        if kind == "step.delta":
            return self._delta(_key(body.get("index")), mapping(body.get("delta")))
        if kind == "step.start":
            self._steps[_key(body.get("index"))] = dict(mapping(body.get("step")))
        elif kind == "error":
            self._error = body.get("error") or body
        elif kind in ("interaction.created", "interaction.completed"):
            self._interaction.update(mapping(body.get("interaction")))
        elif kind == "interaction.status_update" and body.get("status"):
            self._interaction["status"] = body["status"]
        return False

    def document(self) -> Json:
        """Return the interaction, with `error` where the stream ended in one."""
        if not self._interaction and not self._steps and self._error is None:
            return None
        for (index, name), pieces in self._pieces.items():
            step, joined = self._steps.setdefault(index, {}), "".join(pieces)
            if name == "arguments":
                parsed = jsontext.parse_or_none(joined)
                step[name] = joined if parsed is None else parsed
            else:
                step[name] = [*items(step.get(name)), {"type": "text", "text": joined}]
        self._pieces.clear()
        document = dict(self._interaction)
        if self._steps:
            document["steps"] = list(self._steps.values())
        if self._error is not None:
            document["error"] = self._error
        return document

    def _delta(self, index: Json, delta: dict[str, Json]) -> bool:
        kind = delta.get("type")
        if kind == "text":
            return self._piece(index, "content", delta.get("text"))
        if kind == "thought_summary":
            return self._piece(index, "summary", mapping(delta.get("content")).get("text"))
        if kind == "arguments_delta":
            return self._piece(index, "arguments", delta.get("arguments"))
        step = self._steps.setdefault(index, {})
        if kind == "thought_signature":
            if delta.get("signature"):
                step["signature"] = delta["signature"]
            return False
        if kind in ("image", "audio", "video", "document"):
            step["content"] = [*items(step.get("content")), delta]
            return True
        # What a tool of the provider's own was asked and found: the fields of its step.
        step.update({name: value for name, value in delta.items() if name != "type"})
        return False

    def _piece(self, index: Json, name: str, piece: Json) -> bool:
        if not isinstance(piece, str):
            return False
        self._pieces.setdefault((index, name), []).append(piece)
        return bool(piece)


def _key(index: Json) -> Json:
    return index if isinstance(index, int | str) else None
