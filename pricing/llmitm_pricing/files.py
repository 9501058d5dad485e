"""Price files read from disk. An error names the file, the line, the key, the value and what is allowed."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from llmitm_pricing.positions import Keys, Positions
from llmitm_pricing.schema import Model, PriceFile

DATA = Path(__file__).parent / "data"
_AT_LINE = re.compile(r"\(at line (\d+)")

type Fault = tuple[Keys, str]
"""Where something is wrong, and what."""


class PriceFileError(ValueError):
    """A price file is wrong; there is a line for each fault."""


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A price file and the text that it was read from, by which an error finds the line."""

    path: Path
    text: str
    file: PriceFile

    def error(self, faults: Iterable[Fault]) -> PriceFileError:
        """Return the error that tells what is wrong."""
        return _error(self.path, self.text, faults)

    def tell(self, model: Model) -> str:
        """Name a model and its line."""
        number = next(n for n, each in enumerate(self.file.model) if each is model)
        return f"{model.id!r} in line {Positions(self.text).line(('model', number))}"


def read(path: Path) -> Source:
    """Read and check one price file.

    Raises:
        PriceFileError: It cannot be read, is not TOML, or is not of the form in `schema`.

    """
    try:
        text = path.read_text(encoding="utf-8")
        # Floats would turn 0.1 into 0.1000000000000000055: prices stay as they are written.
        document = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        line = _AT_LINE.search(str(error))
        place = f"{path}:{line[1]}" if line else str(path)
        raise PriceFileError(f"{place}: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise PriceFileError(f"{path}: {error}") from error
    try:
        file = PriceFile.model_validate(document)
    except ValidationError as error:
        raise _error(path, text, _faults(error)) from None
    if file.provider != path.stem:
        told = f"is {file.provider!r}, the file's name says {path.stem!r}"
        raise _error(path, text, [(("provider",), told)])
    return Source(path, text, file)


def _error(path: Path, text: str, faults: Iterable[Fault]) -> PriceFileError:
    positions = Positions(text)
    document = tomllib.loads(text)
    told = sorted(
        (positions.line(keys), f"{_place(keys, document)}: {message}") for keys, message in faults
    )
    return PriceFileError("\n".join(f"{path}:{line}: {fault}" for line, fault in told))


def _faults(error: ValidationError) -> Iterable[Fault]:
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
        # Words in brackets are pydantic's: that a key is meant, or which of two types was tried.
        keys = [key for key in fault["loc"] if not str(key).startswith("[")]
        yield keys, f"{message}{told}"


def _place(keys: Keys, document: Any) -> str:
    """Name the place as a reader would find it: entries of a list by their id, else by number from 1."""
    words: list[str] = []
    for key in keys:
        if isinstance(key, int):
            document = document[key] if isinstance(document, list) and key < len(document) else None
            name = document.get("id") if isinstance(document, dict) else None
            words.append(repr(name) if name else str(key + 1))
        else:
            document = document.get(key) if isinstance(document, dict) else None
            words.append(key)
    return " > ".join(words) or "file"
