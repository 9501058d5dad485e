"""The items of a response that is written: each says its own events."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

from llmitm.calls import Json
from llmitm.translate import seals, tool_ids
from llmitm.translate.clients.freeform import as_input
from llmitm.translate.events import ReasoningEnded, ToolStarted
from llmitm.translate.tool_names import ClientTool


class Item(ABC):
    """An item of a response's output."""

    def __init__(self, index: int, identifier: str) -> None:
        self._identifier = identifier
        self._index = index
        self._pieces: list[str] = []
        self._status = "in_progress"

    @property
    def _written(self) -> str:
        return "".join(self._pieces)

    @abstractmethod
    def document(self) -> dict[str, Json]:
        """Return the item as far as it came."""

    def open(self) -> Iterator[dict[str, Json]]:
        """Begin the item."""
        yield self._event("response.output_item.added", item=self.document())

    @abstractmethod
    def add(self, text: str) -> Iterator[dict[str, Json]]:
        """Take a piece."""

    def close(self) -> Iterator[dict[str, Json]]:
        """End the item."""
        self._status = "completed"
        yield self._event("response.output_item.done", item=self.document())

    def _event(self, kind: str, **fields: Json) -> dict[str, Json]:
        return {"type": kind, "output_index": self._index, **fields}

    def _inside(self, kind: str, **fields: Json) -> dict[str, Json]:
        return self._event(kind, item_id=self._identifier, **fields)


class MessageItem(Item):
    """Text, or a refusal."""

    def __init__(self, index: int, identifier: str, is_refusal: bool) -> None:
        super().__init__(index, identifier)
        self.is_refusal = is_refusal
        self._kind, self._field = ("refusal", "refusal") if is_refusal else ("output_text", "text")
        self._is_begun = False

    def document(self) -> dict[str, Json]:
        """Return the message."""
        return {
            "id": self._identifier,
            "type": "message",
            "status": self._status,
            "role": "assistant",
            "content": [self._part(self._written)] if self._is_begun else [],
        }

    def open(self) -> Iterator[dict[str, Json]]:
        """Begin the message and its only part."""
        yield from super().open()
        self._is_begun = True
        yield self._inside("response.content_part.added", content_index=0, part=self._part(""))

    def add(self, text: str) -> Iterator[dict[str, Json]]:
        """Take a piece of text."""
        self._pieces.append(text)
        yield self._inside(
            f"response.{self._kind}.delta", content_index=0, delta=text, **self._logprobs()
        )

    def close(self) -> Iterator[dict[str, Json]]:
        """End the part and the message."""
        whole = {self._field: self._written, **self._logprobs()}
        yield self._inside(f"response.{self._kind}.done", content_index=0, **whole)
        part = self._part(self._written)
        yield self._inside("response.content_part.done", content_index=0, part=part)
        yield from super().close()

    def _logprobs(self) -> dict[str, Json]:
        return {} if self.is_refusal else {"logprobs": []}

    def _part(self, written: str) -> dict[str, Json]:
        if self.is_refusal:
            return {"type": "refusal", "refusal": written}
        return {"type": "output_text", "text": written, "annotations": [], "logprobs": []}


class ReasoningItem(Item):
    """Thinking, which is told as its summary."""

    def __init__(self, index: int, identifier: str) -> None:
        super().__init__(index, identifier)
        self._encrypted: str | None = None

    def document(self) -> dict[str, Json]:
        """Return the thinking."""
        parts = [{"type": "summary_text", "text": self._written}] if self._pieces else []
        item: dict[str, Json] = {"id": self._identifier, "type": "reasoning", "summary": parts}
        if self._encrypted is not None:
            item["encrypted_content"] = self._encrypted
        return item

    def seal(self, ended: ReasoningEnded) -> None:
        """Keep what the provider wants back."""
        values = {"signature": ended.signature, "redacted": ended.redacted}
        if found := {key: value for key, value in values.items() if value}:
            self._encrypted = seals.seal(found)

    def add(self, text: str) -> Iterator[dict[str, Json]]:
        """Take a piece of thinking."""
        if not self._pieces:
            part = {"type": "summary_text", "text": ""}
            yield self._inside("response.reasoning_summary_part.added", summary_index=0, part=part)
        self._pieces.append(text)
        yield self._inside("response.reasoning_summary_text.delta", summary_index=0, delta=text)

    def close(self) -> Iterator[dict[str, Json]]:
        """End the summary and the item."""
        if self._pieces:
            kind = "response.reasoning_summary_text.done"
            yield self._inside(kind, summary_index=0, text=self._written)
            part = {"type": "summary_text", "text": self._written}
            yield self._inside("response.reasoning_summary_part.done", summary_index=0, part=part)
        yield from super().close()


class CallItem(Item):
    """A call of a function, or of a custom tool, whose input is a text."""

    def __init__(self, index: int, identifier: str, started: ToolStarted, tool: ClientTool) -> None:
        super().__init__(index, identifier)
        self._tool = tool
        self._call_id = tool_ids.sealed(started.id, started.signature)

    def document(self) -> dict[str, Json]:
        """Return the call."""
        item: dict[str, Json] = {
            "id": self._identifier,
            "type": "custom_tool_call" if self._tool.is_freeform else "function_call",
            "status": self._status,
            "call_id": self._call_id,
            "name": self._tool.name,
        }
        if self._tool.namespace is not None:
            item["namespace"] = self._tool.namespace
        if self._tool.is_freeform:
            item["input"] = as_input(self._written) if self._status == "completed" else ""
        else:
            item["arguments"] = self._written
        return item

    def add(self, text: str) -> Iterator[dict[str, Json]]:
        """Take a piece of the arguments; of a text that is in them, nothing is said before its end."""
        self._pieces.append(text)
        if not self._tool.is_freeform:
            yield self._inside("response.function_call_arguments.delta", delta=text)

    def close(self) -> Iterator[dict[str, Json]]:
        """End the arguments and the call."""
        if self._tool.is_freeform:
            written = as_input(self._written)
            yield self._inside("response.custom_tool_call_input.delta", delta=written)
            yield self._inside("response.custom_tool_call_input.done", input=written)
        else:
            kind = "response.function_call_arguments.done"
            yield self._inside(kind, name=self._tool.name, arguments=self._written)
        yield from super().close()
