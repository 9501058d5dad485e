"""The options of a request that Anthropic's models have, wherever they are served, and which of them go together.

https://platform.claude.com/docs/en/build-with-claude/thinking (read 2026-11-26)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llmitm.calls import Json
from llmitm.translate import efforts, model_facts, turns
from llmitm.translate.chat import ChatRequest, Turn
from llmitm.translate.sides import Notes
from llmitm.wire.jsontext import compact

_DEFAULT_LIMIT = 32_000
_ADAPTIVE = (4, 6)
"""Models that decide themselves how much they think."""
_NO_SAMPLING = (4, 7)
"""Models that refuse temperature, top_p and top_k."""
_SCHEMAS = (4, 5)
"""Models whose answers can be held to a schema."""
_HOTTEST = 1.0


@dataclass(slots=True)
class AnthropicOptions:
    """The options of one request."""

    max_tokens: int
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    thinking: Json = None
    output: Json = None
    """What goes into `output_config`."""
    instructions: str | None = None
    """What is said in words, for want of an option: the schema of the answer."""


def choose(
    request: ChatRequest, spoken: Sequence[Turn], model: str, notes: Notes
) -> AnthropicOptions:
    """Return the options of a request to one of Anthropic's models, or of another's that speaks the same."""
    version = model_facts.claude_version(model)
    options = AnthropicOptions(_limit(request, model, notes))
    output: dict[str, Json] = {}
    _think(options, output, request, spoken, version, notes)
    _sample(options, request, version, notes)
    _answer_format(options, output, request, version, notes)
    options.output = output or None
    return options


def _limit(request: ChatRequest, model: str, notes: Notes) -> int:
    asked, most = request.max_tokens, model_facts.claude_limit(model)
    limit = _DEFAULT_LIMIT if asked is None else max(asked, 1)
    if most is not None and limit > most:
        if asked is not None:
            notes.add(f"max_tokens is {most:,}, the most that {model} can")
        return most
    return limit


def _think(
    options: AnthropicOptions,
    output: dict[str, Json],
    request: ChatRequest,
    spoken: Sequence[Turn],
    version: tuple[int, int] | None,
    notes: Notes,
) -> None:
    effort = request.effort
    if effort is None or effort == "none" or (version is not None and version < (3, 7)):
        if effort not in (None, "none"):
            notes.add("reasoning effort is left out: the model does not think")
        return
    forced = request.tool_choice is not None and request.tool_choice.mode in ("required", "one")
    if forced:
        notes.add("reasoning effort is left out: a tool is forced, which excludes thinking")
    elif version is not None and version >= _ADAPTIVE:
        options.thinking = {"type": "adaptive"}
        output["effort"] = efforts.for_anthropic(effort)
    elif not turns.thinks_before_tools(spoken):
        notes.add("reasoning effort is left out: the thinking before earlier tool calls is missing")
    else:
        budget = min(request.thinking_budget or efforts.tokens(effort), options.max_tokens // 2)
        if budget < efforts.FEWEST_TOKENS:
            notes.add("reasoning effort is left out: max_tokens leaves no room for thinking")
        else:
            options.thinking = {"type": "enabled", "budget_tokens": budget}


def _sample(
    options: AnthropicOptions,
    request: ChatRequest,
    version: tuple[int, int] | None,
    notes: Notes,
) -> None:
    given = (request.temperature, request.top_p, request.top_k)
    if options.thinking or (version is not None and version >= _NO_SAMPLING):
        defaults = (None, 1.0)
        if any(value not in defaults for value in given):
            notes.add("temperature, top_p and top_k are left out: the model takes none")
        return
    options.temperature, options.top_p, options.top_k = given
    if options.temperature is not None and options.temperature > _HOTTEST:
        options.temperature = _HOTTEST
        notes.add("temperature is 1, the highest there is")
    if options.temperature is not None and options.top_p is not None and version is not None:
        options.top_p = None  # models since 4.1 refuse both
        if request.top_p != 1.0:
            notes.add("top_p is left out: it does not go with temperature")


def _answer_format(
    options: AnthropicOptions,
    output: dict[str, Json],
    request: ChatRequest,
    version: tuple[int, int] | None,
    notes: Notes,
) -> None:
    form = request.response_format
    if form is None:
        return
    if form.schema is None:
        options.instructions = "Answer with a JSON object and nothing else."
        notes.add("response_format: JSON is asked for in words")
    elif form.strict and version is not None and version >= _SCHEMAS:
        output["format"] = {"type": "json_schema", "schema": dict(form.schema)}
    else:
        options.instructions = (
            "Answer with JSON after this schema and nothing else, without a code fence:\n"
            + compact(dict(form.schema))
        )
        notes.add("response_format: the schema is asked for in words, and not enforced")
