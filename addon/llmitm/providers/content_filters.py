"""What Azure's content filters stopped: they tell of the prompt and of the answer, in errors and beside choices.

https://learn.microsoft.com/en-us/azure/ai-foundry/openai/concepts/content-filter
"""

from __future__ import annotations

from collections.abc import Iterator

from llmitm.calls import Json
from llmitm.providers.fields import first, items, mapping, text


def read(body: dict[str, Json]) -> str | None:
    """Return what was stopped and by which categories, `prompt: jailbreak`; None where nothing was."""
    for what, results in _results(body):
        found = [
            name for name, result in results.items() if mapping(result).get("filtered") is True
        ]
        if found:
            return f"{what}: {', '.join(found)}"
    return None


def _results(body: dict[str, Json]) -> Iterator[tuple[str, dict[str, Json]]]:
    error = mapping(body.get("error"))
    inner = mapping(error.get("innererror") or error.get("inner_error"))
    for name in ("content_filter_result", "content_filter_results"):
        yield "prompt", mapping(inner.get(name))
    for prompt in map(mapping, items(body.get("prompt_filter_results"))):
        yield "prompt", mapping(prompt.get("content_filter_results"))
    choice = first(body.get("choices"))
    yield "answer", mapping(choice.get("content_filter_results"))
    # The Responses API has one list for both.
    for each in map(mapping, items(body.get("content_filters"))):
        what = "prompt" if text(each.get("source_type")) == "prompt" else "answer"
        yield what, mapping(each.get("content_filter_results"))
