"""Price files read from disk. An error names the file, the key, the value and what is allowed."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from llmitm_pricing.schema import PriceFile

DATA = Path(__file__).parent / "data"


class PriceFileError(ValueError):
    """A price file is wrong."""


def read(path: Path) -> PriceFile:
    """Read and check one price file.

    Raises:
        PriceFileError: It cannot be read, is not TOML, or is not of the form in `schema`.

    """
    try:
        # Floats would turn 0.1 into 0.1000000000000000055: prices stay as they are written.
        document = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PriceFileError(f"{path}: {error}") from error
    try:
        file = PriceFile.model_validate(document)
    except ValidationError as error:
        faults = "\n".join(f"{path}: {fault}" for fault in _faults(error, document))
        raise PriceFileError(faults) from None
    if file.provider != path.stem:
        raise PriceFileError(
            f"{path}: provider is {file.provider!r}, the file's name says {path.stem!r}"
        )
    return file


def _faults(error: ValidationError, document: Mapping[str, Any]) -> Iterable[str]:
    faults = error.errors(include_url=False, include_context=False)
    places = [fault["loc"] for fault in faults]
    for fault in faults:
        # pydantic counts the entries that are right: a list whose only entry is wrong is then empty as well.
        depth = len(fault["loc"])
        if any(len(place) > depth and place[:depth] == fault["loc"] for place in places):
            continue
        message = fault["msg"].removeprefix("Value error, ")
        value = fault["input"]
        told = "" if isinstance(value, dict | list | tuple) else f" (is {value!r})"
        if fault["type"] == "extra_forbidden":
            message, told = "no such key", ""
        yield f"{_place(fault['loc'], document)}: {message}{told}"


def _place(keys: Sequence[str | int], document: Any) -> str:
    """Name the place as a reader would find it: entries of a list by their id, else by number from 1."""
    words: list[str] = []
    for key in keys:
        if key == "[key]":
            continue
        if isinstance(key, int):
            document = document[key] if isinstance(document, list) and key < len(document) else None
            name = document.get("id") if isinstance(document, dict) else None
            words.append(repr(name) if name else str(key + 1))
        else:
            document = document.get(key) if isinstance(document, dict) else None
            words.append(key)
    return " > ".join(words) or "file"
