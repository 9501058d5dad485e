"""Count tokens where the provider gave no usage: tiktoken from files that are there, else an approximation.

Nothing is ever downloaded here: tiktoken would fetch its files through the very proxy that is waiting for it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from llmitm.calls import Answer, Json, Prompt, Usage

_FILES = {
    "o200k_base": "https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken",
    "cl100k_base": "https://openaipublic.blob.core.windows.net/encodings/cl100k_base.tiktoken",
    "p50k_base": "https://openaipublic.blob.core.windows.net/encodings/p50k_base.tiktoken",
    "r50k_base": "https://openaipublic.blob.core.windows.net/encodings/r50k_base.tiktoken",
}
"""The address of each encoding: the SHA-1 of it is the name of the file in tiktoken's cache."""

_OLDER = ("gpt-4-", "gpt-3.5", "text-embedding", "gpt-35")
_OLDEST = ("davinci-002", "babbage-002", "text-davinci")
_PER_MESSAGE = 3
_PER_ANSWER = 3
"""Tokens that frame a message and prime the answer.
https://github.com/openai/openai-cookbook/blob/main/examples/How_to_count_tokens_with_tiktoken.ipynb (read 2026-11-24)
"""
_BYTES_A_TOKEN = 4.0
_LONGEST_COUNTED = 4_000_000
"""Characters that are counted exactly; tiktoken takes a second for some megabytes."""

type _Count = Callable[[str], int]


class Estimate(NamedTuple):
    """Estimated usage, and how it was come by."""

    usage: Usage
    method: str


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
        texts, messages = _prompt_texts(prompt.document)
        given = count("\n".join(texts)) + (messages * _PER_MESSAGE + _PER_ANSWER if messages else 0)
        said = [answer.reasoning or "", answer.text or "", answer.refusal or ""]
        said += [part for call in answer.tool_calls for part in (call.name, call.arguments)]
        made = (
            None
            if answer.text is None and not answer.tool_calls
            else sum(map(count, filter(None, said)))
        )
        return Estimate(Usage("estimated", input_tokens=given, output_tokens=made), method)

    def _counter(self, name: str) -> _Count | None:
        if name not in self._counters:
            self._counters[name] = self._load(name)
        return self._counters[name]

    def _load(self, name: str) -> _Count | None:
        path = self._folder / cache_name(name)
        if not path.is_file():
            return None
        import tiktoken  # takes a while to load, and is seldom needed

        os.environ["TIKTOKEN_CACHE_DIR"] = str(self._folder)
        encoding = tiktoken.get_encoding(name)

        def count(text: str) -> int:
            counted = len(encoding.encode_ordinary(text[:_LONGEST_COUNTED]))
            return counted + _approximate(text[_LONGEST_COUNTED:])

        return count


def cache_name(encoding: str) -> str:
    """Return the name under which tiktoken looks for an encoding's file."""
    return hashlib.sha1(_FILES[encoding].encode(), usedforsecurity=False).hexdigest()


def encoding_name(model: str) -> str:
    """Return the encoding of a model; what is not OpenAI's is counted with its newest."""
    name = model.rpartition("/")[2].removeprefix("ft:")
    if name == "gpt-4" or (name.startswith(_OLDER) and not name.startswith("gpt-4-o")):
        return "cl100k_base"
    return "p50k_base" if name.startswith(_OLDEST) else "o200k_base"


def _approximate(text: str) -> int:
    return round(len(text.encode("utf-8", "surrogatepass")) / _BYTES_A_TOKEN)


_SPOKEN = frozenset(
    {
        "text",
        "content",
        "input",
        "prompt",
        "system",
        "instructions",
        "arguments",
        "output",
        "name",
        "description",
    }
)


def _prompt_texts(document: Json) -> tuple[list[str], int]:
    """Return the texts of a request and the number of its messages; media and settings are not counted."""
    if not isinstance(document, dict):
        return [], 0
    texts: list[str] = []
    for key in ("messages", "input", "prompt", "contents", "system", "instructions", "tools"):
        _gather(document.get(key), texts, key)
    turns: Any = document.get("messages") or document.get("contents")
    return texts, len(turns) if isinstance(turns, list) else 0


def _gather(value: Json, texts: list[str], key: str) -> None:
    pending = [(value, key)]
    while pending:
        value, key = pending.pop()
        if isinstance(value, str):
            if key in _SPOKEN:
                texts.append(value)
        elif isinstance(value, list):
            pending.extend((each, key) for each in reversed(value))
        elif isinstance(value, dict):
            pending.extend((each, name) for name, each in reversed(value.items()))
