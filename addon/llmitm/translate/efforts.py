"""How much a model is to think: OpenAI says it in words, Anthropic in tokens or (newer models) in words."""

from __future__ import annotations

from typing import get_args

from llmitm.calls import Json
from llmitm.translate import model_facts
from llmitm.translate.chat import Effort

_TOKENS: dict[Effort, int] = {
    "none": 0,
    "minimal": 1_024,
    "low": 2_048,
    "medium": 8_192,
    "high": 16_384,
    "xhigh": 24_576,
    "max": 31_999,
}
FEWEST_TOKENS = 1_024
"""The smallest budget that Anthropic takes."""
_EFFORTS = frozenset(get_args(Effort.__value__))


def read(value: Json) -> Effort | None:
    """Return an effort that is known."""
    return value if isinstance(value, str) and value in _EFFORTS else None  # type: ignore[return-value]


def tokens(effort: Effort) -> int:
    """Return the budget that an effort stands for."""
    return _TOKENS[effort]


def of_tokens(budget: int) -> Effort:
    """Return the effort that a budget comes closest to; `high` is the most that every model knows."""
    if budget <= _TOKENS["low"]:
        return "low"
    return "medium" if budget <= _TOKENS["medium"] else "high"


def for_openai(effort: Effort, model: str) -> str:
    """Return an effort as a model knows it: the ends of the scale came and went with OpenAI's versions.

    https://developers.openai.com/api/docs/guides/reasoning (read 2026-11-26)
    """
    version = model_facts.gpt_version(model)
    if effort == "minimal":
        return "minimal" if version == (5, 0) else "low"
    if effort not in ("xhigh", "max"):
        return effort
    if version is None or version < (5, 2):
        return "high"
    return "xhigh" if version < (5, 6) else effort


def for_anthropic(effort: Effort) -> str:
    """Return an effort as Anthropic's newer models know it."""
    return "low" if effort == "minimal" else effort
