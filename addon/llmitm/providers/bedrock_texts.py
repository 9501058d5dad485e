"""Bodies of the model families that have a format of their own on Bedrock: Llama, Titan, Mistral, Cohere, AI21.

Which one it is, its fields tell: the path may hold an ARN that names no family.
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html (read 2026-11-26)
"""

from __future__ import annotations

from collections.abc import Iterable

from llmitm.calls import Answer, Json, ToolCall
from llmitm.providers.base import Assembler
from llmitm.providers.bedrock_usage import Counts
from llmitm.providers.fields import count, filled, first, items, mapping, text
from llmitm.wire.jsontext import compact

_TEXTS = ("generation", "completion", "text", "message", "outputText")
"""Where Llama, the first Claudes, Cohere's Command R, Pegasus and the pieces of Titan have their text."""
_LISTS = ("results", "outputs", "generations", "completions")
"""The same at Titan, Mistral, Cohere's Command and AI21's Jurassic, each with one text an element."""
_REASONS = ("stop_reason", "finish_reason", "finishReason", "completionReason")


def read(answer: Answer, body: dict[str, Json]) -> None:
    """Add the text of the first answer, tool calls, and why it ended."""
    place = next((first(body[name]) for name in _LISTS if isinstance(body.get(name), list)), {})
    texts = (text(each.get(name)) for each in (place, body) for name in _TEXTS)
    jurassic = text(mapping(place.get("data")).get("text"))
    answer.text = next((found for found in texts if found is not None), jurassic)
    answer.finish_reason = _reason(place) or _reason(body)
    answer.tool_calls = tuple(_tool_calls(body))


def counts(body: dict[str, Json]) -> Counts:
    """Return the counts of Llama's and Titan's bodies; the others have none."""
    made = count(body.get("generation_token_count"))
    results = [count(mapping(each).get("tokenCount")) for each in items(body.get("results"))]
    known = [each for each in results if each is not None]
    given = count(body.get("prompt_token_count"))
    return Counts(
        count(body.get("inputTextTokenCount")) if given is None else given,
        sum(known) if made is None and known else made,
    )


def _reason(body: dict[str, Json]) -> str | None:
    for name in _REASONS:
        value = body.get(name)
        # Jurassic has an object: {"reason": "endoftext"}.
        if found := filled(value) or filled(mapping(value).get("reason")):
            return found
    # Images: one reason each, null where it was made.
    reasons = items(body.get("finish_reasons"))
    return filled(reasons[0]) if reasons else None


def _tool_calls(body: dict[str, Json]) -> Iterable[ToolCall]:
    """Return Command R's tool calls."""
    for call in map(mapping, items(body.get("tool_calls"))):
        if name := filled(call.get("name")):
            yield ToolCall(name, compact(call.get("parameters")))


class TextAssembler(Assembler):
    """Put such a body together: texts grow, of all else the last word counts."""

    def __init__(self) -> None:
        self._fields: dict[str, Json] = {}
        self._pieces: dict[str, list[str]] = {}

    def add(self, payload: Json, event: str | None) -> bool:
        """Take one event; return whether it carried content."""
        content = False
        for key, value in mapping(payload).items():
            if key in _TEXTS and isinstance(value, str):
                content |= self._grow(key, value)
            elif key in _LISTS and isinstance(value, list):
                # Mistral's pieces; the reason is in the last.
                place = first(value)
                content |= self._grow(key, text(place.get("text")) or "")
                self._fields.update({k: v for k, v in place.items() if k != "text"})
            elif value is not None:
                self._fields[key] = value
        return content

    def _grow(self, key: str, piece: str) -> bool:
        self._pieces.setdefault(key, []).append(piece)
        return bool(piece)

    def document(self) -> Json:
        """Return the body in its unstreamed form."""
        document = dict(self._fields)
        for key, pieces in self._pieces.items():
            joined = "".join(pieces)
            if key == "outputText":
                document["results"] = [_titan(document, joined)]
            else:
                document[key] = [{"text": joined}] if key in _LISTS else joined
        return document or None


def _titan(document: dict[str, Json], output: str) -> dict[str, Json]:
    """Take the fields of Titan's only result out of what was collected."""
    result: dict[str, Json] = {
        "tokenCount": document.pop("totalOutputTextTokenCount", None),
        "outputText": output,
        "completionReason": document.pop("completionReason", None),
    }
    document.pop("index", None)
    return result
