"""Count tokens where the provider gave no usage: tiktoken from files that are there, else an approximation.

Nothing is ever downloaded here: tiktoken would fetch its files through the very proxy that is waiting for it.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from llmitm.calls import Answer, Json, Prompt, Usage
from llmitm.encodings import SHA256, cache_name
from llmitm.wire import jsontext

_OLDER = ("gpt-4-", "gpt-3.5", "gpt-35", "text-embedding", "davinci-002", "babbage-002")
_OLDEST = ("text-davinci",)
"""https://github.com/openai/tiktoken/blob/main/tiktoken/model.py (read 2026-11-24)"""
_PER_MESSAGE = 3
_PER_ANSWER = 3
"""Tokens that frame a message and prime the answer.
https://github.com/openai/openai-cookbook/blob/main/examples/How_to_count_tokens_with_tiktoken.ipynb (read 2026-11-24)
"""
_BYTES_A_TOKEN = 4.0
_LONGEST_COUNTED = 4_000_000
"""Characters that are counted exactly; tiktoken takes a second for some megabytes."""
_LAST_WORD = re.compile(r"(?<=\S) \S*\Z")
"""No token of any encoding goes from one word into the space before the next."""
_LONGEST_WORD = 512
"""Characters: where there are no spaces, a token may be counted as two this often."""

type _Count = Callable[[str], int]


class Estimate(NamedTuple):
    """Estimated usage, and how it was come by."""

    usage: Usage
    method: str


class RunningTokens:
    """The tokens of a text that comes in pieces: as many as the whole has."""

    def __init__(self, count: _Count | None) -> None:
        """`count` counts by an encoding; without, tokens are taken by bytes."""
        self._count = count
        self._before = 0
        """Tokens of the words before the last, or bytes of all."""
        self._last = ""
        self.tokens = 0

    def add(self, piece: str) -> None:
        """Take the next piece."""
        if self._count is None:
            self._before += len(piece.encode("utf-8", "surrogatepass"))
            self.tokens = round(self._before / _BYTES_A_TOKEN)
            return
        self._last += piece
        if (word := _LAST_WORD.search(self._last)) or len(self._last) > _LONGEST_WORD:
            end = word.start() if word else len(self._last)
            self._before += self._count(self._last[:end])
            self._last = self._last[end:]
        self.tokens = self._before + self._count(self._last)


class Estimator:
    """Count the tokens of prompts and answers. `folder` holds encodings under tiktoken's cache names."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._counters: dict[str, _Count | None] = {}

    def estimate(self, model: str | None, prompt: Prompt, answer: Answer) -> Estimate:
        """Return an estimate for a call, as far as its answer came."""
        encoding = encoding_name(model or "")
        count = self._counter(encoding)
        method = (
            f"tiktoken {encoding}"
            if count
            else "4 bytes a token, for want of encodings (llmitm encodings fetch)"
        )
        count = count or _approximate
        texts, ids, messages = _read(prompt.document)
        given = count("\n".join(texts)) + ids
        if messages:
            given += messages * _PER_MESSAGE + _PER_ANSWER
        said = [answer.reasoning or "", answer.text or "", answer.refusal or ""]
        said += [part for call in answer.tool_calls for part in (call.name, call.arguments)]
        made = (
            None
            if answer.text is None and not answer.tool_calls
            else sum(map(count, filter(None, said)))
        )
        return Estimate(Usage("estimated", input_tokens=given, output_tokens=made), method)

    def running(self, model: str | None) -> RunningTokens:
        """Return what counts a text of a model's answer as it comes; may read a file."""
        return RunningTokens(self._counter(encoding_name(model or "")))

    def _counter(self, name: str) -> _Count | None:
        if name not in self._counters:
            self._counters[name] = self._load(name)
        return self._counters[name]

    def _load(self, name: str) -> _Count | None:
        try:
            kept = (self._folder / cache_name(name)).read_bytes()
        except OSError:
            return None
        # What is damaged tiktoken would throw away and download.
        if hashlib.sha256(kept).hexdigest() != SHA256[name]:
            return None
        import tiktoken  # takes a while to load, and is seldom needed

        os.environ["TIKTOKEN_CACHE_DIR"] = str(self._folder)
        encoding = tiktoken.get_encoding(name)

        def count(text: str) -> int:
            counted = len(encoding.encode_ordinary(text[:_LONGEST_COUNTED]))
            return counted + _approximate(text[_LONGEST_COUNTED:])

        return count


def encoding_name(model: str) -> str:
    """Return the encoding of a model; what is not OpenAI's is counted with its newest."""
    name = model.rpartition("/")[2].removeprefix("ft:")
    if name == "gpt-4" or name.startswith(_OLDER):
        return "cl100k_base"
    return "p50k_base" if name.startswith(_OLDEST) else "o200k_base"


def _approximate(text: str) -> int:
    return round(len(text.encode("utf-8", "surrogatepass")) / _BYTES_A_TOKEN)


_PARTS = (
    "system",
    "systemInstruction",
    "system_instruction",
    "instructions",
    "messages",
    "input",
    "prompt",
    "contents",
    "preamble",
    "chat_history",
    "message",
    "inputs",
    "tools",
)
"""Where a request has what the model reads."""
_SPOKEN = frozenset(
    {"text", "content", "input", "prompt", "system", "instructions", "arguments", "output"}
    | {"name", "description", "preamble", "message", "inputs"}
)
"""Fields whose text the model reads; the rest is settings, ids and media."""
_WRITTEN = frozenset({"input", "args", "response", "parameters", "input_schema", "inputSchema"})
"""Fields whose objects the model reads as JSON: arguments and results of tools, and their schemas."""


class _Read(NamedTuple):
    texts: list[str]
    ids: int
    """Tokens that the request gives as numbers."""
    messages: int


def _read(document: Json) -> _Read:
    """Return what a model reads of a request."""
    if not isinstance(document, dict):
        return _Read([], 0, 0)
    texts: list[str] = []
    ids = sum(_gather(document.get(part), texts, part) for part in _PARTS)
    turns: Any = document.get("messages") or document.get("contents")
    return _Read(texts, ids, len(turns) if isinstance(turns, list) else 0)


def _gather(value: Json, texts: list[str], key: str) -> int:
    """Add the texts of a value; return how many tokens stand in it as numbers."""
    pending, ids = [(value, key)], 0
    while pending:
        value, key = pending.pop()
        if isinstance(value, str):
            if key in _SPOKEN:
                texts.append(value)
        elif isinstance(value, list):
            pending.extend((each, key) for each in reversed(value))
        elif isinstance(value, dict):
            if key in _WRITTEN:
                texts.append(jsontext.compact(value))
            else:
                pending.extend((each, name) for name, each in reversed(value.items()))
        elif isinstance(value, int) and key in ("input", "prompt"):
            ids += 1
    return ids
