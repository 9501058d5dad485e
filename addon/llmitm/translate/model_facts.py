"""What models take and what not, as their names tell.

Providers refuse a request for a parameter that the model lacks, and a client of another dialect cannot know. What is
not known here is passed on, and the provider's own word holds.
"""

from __future__ import annotations

import re

_OPENAI = re.compile(r"^(?:openai/)?(?:gpt-|o\d|chatgpt-|codex-)")
_NEWER = re.compile(r"(?:^|/)(?:o\d|gpt-(?:[5-9]|\d\d)|codex-)")
"""OpenAI's own models that think: `max_completion_tokens`, an effort, no sampling."""
_TAKES_EFFORT = re.compile(
    r"(?:^|[/.])(?:o\d|gpt-(?:[5-9]|\d\d|oss)|codex-|gemini-(?:2\.5|[3-9])|grok-(?:3-mini|[4-9])|magistral)"
)
_WANTS_REASONING_BACK = re.compile(r"deepseek|kimi|glm-|minimax|qwen", re.I)
_MISTRAL = re.compile(
    r"(?:^|/)(?:(?:open-)?mi[sx]tral|ministral|magistral|codestral|devstral|pixtral)"
)
_CLAUDE = re.compile(r"claude-(?:[a-z]+-)?(\d+)(?:[-.](\d{1,2}))?(?!\d)")
_GPT = re.compile(r"(?:^|/)gpt-(\d+)(?:\.(\d+))?(?![\d.]*[a-z])")
_OPENAI_LIMITS = (
    ("gpt-4o", 16_384),
    ("gpt-4.1", 32_768),
    ("gpt-4-turbo", 4_096),
    ("gpt-3.5", 4_096),
)
_CLAUDE_LIMITS = (((3, 0), 4_096), ((3, 5), 8_192), ((3, 7), 64_000))


def is_openai(model: str) -> bool:
    """Return whether it is one of OpenAI's own."""
    return _OPENAI.match(model) is not None


def is_newer_openai(model: str) -> bool:
    """Return whether it is one of OpenAI's that think."""
    return _NEWER.search(model) is not None


def takes_effort(model: str) -> bool:
    """Return whether `reasoning_effort` is known to be taken."""
    return _TAKES_EFFORT.search(model) is not None


def wants_reasoning_back(model: str) -> bool:
    """Return whether earlier `reasoning_content` is to be sent again."""
    return _WANTS_REASONING_BACK.search(model) is not None


def wants_short_ids(model: str) -> bool:
    """Return whether ids of tool calls have to be like Mistral's."""
    return _MISTRAL.search(model) is not None


def openai_limit(model: str) -> int | None:
    """Return the most tokens that an answer may have; None where that is not known."""
    bare = model.rpartition("/")[2]
    return next((limit for start, limit in _OPENAI_LIMITS if bare.startswith(start)), None)


def gpt_version(model: str) -> tuple[int, int] | None:
    """Return the version of one of OpenAI's numbered models; None where it is another's."""
    match = _GPT.search(model)
    return (int(match[1]), int(match[2] or 0)) if match else None


def thinks_with_tools_only_in_responses(model: str) -> bool:
    """Return whether chat completions refuse tools unless the model is told not to think.

    https://github.com/openai/openai-openapi/issues/541 (read 2026-11-26)
    """
    version = gpt_version(model)
    return version is not None and version >= (5, 2)


def claude_version(model: str) -> tuple[int, int] | None:
    """Return the version of one of Anthropic's models; None where it is another's, or not told."""
    match = _CLAUDE.search(model)
    return (int(match[1]), int(match[2] or 0)) if match else None


def claude_limit(model: str) -> int | None:
    """Return the most tokens that an answer may have; None where 32,000 are no problem."""
    version = claude_version(model)
    if version in ((4, 0), (4, 1)) and "opus" in model:
        return 32_000
    if version is None or version[0] > 3:
        return None
    return max((limit for since, limit in _CLAUDE_LIMITS if since <= version), default=4_096)
