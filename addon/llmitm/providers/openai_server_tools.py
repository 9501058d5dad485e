"""What OpenAI's own tools did during a response: searches and the like by the call, pictures by another model's tokens."""

from __future__ import annotations

from dataclasses import replace

from llmitm.calls import Answer, Json, ModelUsage
from llmitm.providers import openai_usage
from llmitm.providers.fields import count, filled, first, items, mapping


def fees(body: dict[str, Json], output: list[dict[str, Json]]) -> dict[str, int | float]:
    """Return what the provider's own tools did, as far as it is charged beside tokens."""
    counts: dict[str, int | float] = {}
    previews = "web_search_preview" in str(mapping(first(body.get("tools"))).get("type"))
    for item in output:
        match item.get("type"):
            case "web_search_call":
                # A search is what is charged; opening a page or looking for words in it is not.
                if mapping(item.get("action")).get("type", "search") == "search":
                    unit = "web_search_preview" if previews else "web_search"
                    counts[unit] = counts.get(unit, 0) + 1
            case "file_search_call":
                counts["file_search"] = counts.get("file_search", 0) + 1
            case "code_interpreter_call":
                counts["code_execution"] = counts.get("code_execution", 0) + 1
            case "image_generation_call":
                counts["image_generation"] = counts.get("image_generation", 0) + 1
            case _:
                pass
    searches = count(mapping(mapping(body.get("tool_usage")).get("web_search")).get("num_requests"))
    if searches:
        counts["web_search_preview" if previews else "web_search"] = searches
    return counts


def by_model(body: dict[str, Json], answer: Answer) -> tuple[ModelUsage, ...]:
    """Return what the model and the image model that it called used, each; nothing where it had no picture made.

    `tool_usage.image_gen` is in answers of 2026; before, the tokens of a picture were not told.
    """
    drawn, _ = openai_usage.read(mapping(mapping(body.get("tool_usage")).get("image_gen")))
    models = (
        filled(tool.get("model"))
        for tool in map(mapping, items(body.get("tools")))
        if tool.get("type") == "image_generation"
    )
    painter = next(models, None)
    if not drawn.output_tokens or painter is None or answer.model is None:
        return ()
    told = {
        unit: number for unit, number in answer.usage.other.items() if unit != "image_generation"
    }
    return (
        ModelUsage(answer.model, replace(answer.usage, other=told)),
        ModelUsage(painter, drawn),
    )
