"""An answer in the common form: what happens in it, in order. A whole answer is the same events at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from llmitm.calls import Usage
from llmitm.translate.failures import Failure

type FinishReason = Literal["stop", "stop_sequence", "length", "tool_use", "refusal"]


@dataclass(frozen=True, slots=True)
class Started:
    """The answer begins."""

    id: str | None = None
    model: str | None = None
    created: int | None = None
    """Seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of visible text."""

    text: str
    refusal: bool = False


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """A piece of visible thinking."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningEnded:
    """A run of thinking ends, with what must come back with it."""

    signature: str | None = None
    redacted: str | None = None
    encrypted: str | None = None
    item_id: str | None = None


@dataclass(frozen=True, slots=True)
class ToolStarted:
    """A call of a tool begins; several may be open at a time."""

    index: int
    id: str
    name: str
    signature: str | None = None


@dataclass(frozen=True, slots=True)
class ToolDelta:
    """A piece of a call's arguments, which are JSON text."""

    index: int
    text: str


@dataclass(frozen=True, slots=True)
class ToolEnded:
    """A call is whole."""

    index: int


@dataclass(frozen=True, slots=True)
class Finished:
    """The model has ended; usage may still come."""

    reason: FinishReason
    stop_sequence: str | None = None


@dataclass(frozen=True, slots=True)
class Counted:
    """What was used so far; later counts stand for the whole."""

    usage: Usage


@dataclass(frozen=True, slots=True)
class Failed:
    """The answer breaks off."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing more comes."""


type Event = (
    Started
    | TextDelta
    | ReasoningDelta
    | ReasoningEnded
    | ToolStarted
    | ToolDelta
    | ToolEnded
    | Finished
    | Counted
    | Failed
    | Done
)
