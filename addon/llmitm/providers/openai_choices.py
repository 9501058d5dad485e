"""Streams of `choices` put together: chat completions and the older text completions.

The document is what the unstreamed call would have given; what a host adds to it (filters, citations) is kept.
"""

from __future__ import annotations

from llmitm.calls import Json
from llmitm.providers.base import Assembler
from llmitm.providers.fields import count, items, mapping
from llmitm.providers.openai_message import PADDING, GrowingMessage

_OBJECTS = {"chat.completion.chunk": "chat.completion"}


class ChoicesAssembler(Assembler):
    """Collect chunks, whatever their order, into one document."""

    def __init__(self) -> None:
        self._document: dict[str, Json] = {}
        self._choices: dict[int, _Choice] = {}

    def add(self, payload: Json, event: str | None) -> bool:
        """Take one chunk; return whether it carried content."""
        if not isinstance(payload, dict):
            return False
        if event == "error" and "error" not in payload:
            payload = {"error": payload}
        document = self._document
        content = False
        for key, value in payload.items():
            if key == "choices":
                for choice in items(value):
                    content |= isinstance(choice, dict) and self._add_choice(choice)
            elif value is None or key in PADDING:
                continue
            elif key == "x_groq" and isinstance(value, dict):
                document[key] = {**mapping(document.get(key)), **value}
            elif value or key not in document:
                # Azure's first chunk has an empty model and id; later ones do not take the name away again.
                document[key] = value
        return content

    def _add_choice(self, choice: dict[str, Json]) -> bool:
        index = count(choice.get("index")) or 0
        known = self._choices.get(index)
        if known is None:
            known = self._choices[index] = _Choice(index)
        return known.add(choice)

    def document(self) -> Json:
        """Return the document as far as it came."""
        if not self._document and not self._choices:
            return None
        document = dict(self._document)
        kind = document.get("object")
        if isinstance(kind, str):
            document["object"] = _OBJECTS.get(kind, kind)
        if self._choices or "error" not in document:
            document["choices"] = [self._choices[n].whole() for n in sorted(self._choices)]
        return document


class _Choice:
    """One choice of a response."""

    def __init__(self, index: int) -> None:
        self._fields: dict[str, Json] = {"index": index}
        self._text: list[str] = []
        self._message: GrowingMessage | None = None
        self._logprobs: dict[str, list[Json]] = {}

    def add(self, choice: dict[str, Json]) -> bool:
        content = False
        for key, value in choice.items():
            if key == "delta":
                if isinstance(value, dict):
                    if self._message is None:
                        self._message = GrowingMessage()
                    content |= self._message.add(value)
            elif value is None or key == "index":
                continue
            elif key == "text" and isinstance(value, str):
                self._text.append(value)
                content |= bool(value)
            elif key == "logprobs" and isinstance(value, dict):
                for name, entries in value.items():
                    self._logprobs.setdefault(name, []).extend(items(entries))
            elif value != "" or key not in self._fields:
                self._fields[key] = value
        return content

    def whole(self) -> dict[str, Json]:
        """Return the choice in its unstreamed form."""
        choice = {"finish_reason": None, **self._fields}
        if self._message is not None:
            # Perplexity repeats the message so far beside each delta; the deltas are what was streamed.
            choice["message"] = {**mapping(choice.get("message")), **self._message.whole()}
        if self._text:
            choice["text"] = "".join(self._text)
        if self._logprobs:
            choice["logprobs"] = self._logprobs
        return choice
