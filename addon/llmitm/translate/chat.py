"""A chat request in the common form, into which every client's dialect is brought."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from llmitm.calls import Json

type Role = Literal["system", "user", "assistant"]
type Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of text."""

    text: str


@dataclass(frozen=True, slots=True)
class Media:
    """A picture or a document: its bytes as base64, or where it can be fetched."""

    kind: Literal["image", "document"]
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    name: str | None = None
    detail: str | None = None
    """How closely OpenAI's models are to look at a picture."""


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A call of a tool, as the model made it."""

    id: str
    name: str
    arguments: str
    """JSON text."""
    signature: str | None = None
    """What the provider wants back with the call (Gemini)."""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool gave."""

    id: str
    parts: tuple[Text | Media, ...]
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Reasoning:
    """What the model thought, with what proves to its provider that it did."""

    text: str
    signature: str | None = None
    """Anthropic's."""
    redacted: str | None = None
    """Anthropic's thinking that nobody may read."""
    encrypted: str | None = None
    """OpenAI's, with the id of its item in `item_id`."""
    item_id: str | None = None


type Part = Text | Media | ToolUse | ToolResult | Reasoning


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side said."""

    role: Role
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call."""

    name: str
    description: str | None
    schema: Mapping[str, Json]
    strict: bool = False


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """Whether tools are to be called; `one` is named."""

    mode: Literal["auto", "none", "required", "one"] = "auto"
    name: str | None = None


@dataclass(frozen=True, slots=True)
class ResponseFormat:
    """JSON is asked for; by a schema, where there is one."""

    schema: Mapping[str, Json] | None = None
    name: str = "answer"
    strict: bool = False


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What a client asks for. None: it does not say."""

    turns: tuple[Turn, ...]
    system: tuple[Text, ...] = ()
    """What stands before the first turn; later it is a turn of the system."""
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    response_format: ResponseFormat | None = None
    effort: Effort | None = None
    """How much thought is asked for."""
    thinking_budget: int | None = None
    """The same in tokens."""
    streaming: bool = False
    user: str | None = None
    sampling: Mapping[str, Json] = field(default_factory=dict)
    """Seed and penalties, by the names of OpenAI's chat completions."""
    extras: Mapping[str, Json] = field(default_factory=dict)
    """What both of OpenAI's dialects have under the same name, and nobody else."""
