"""Calls as CSV and as JSON lines, under the names that the columns of the log have."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from typing import Any, BinaryIO

from llmitm import harmless
from llmitm.store.reader import Record

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula. https://owasp.org/www-community/attacks/CSV_Injection"""


def jsonl(file: BinaryIO, calls: Iterable[Record]) -> None:
    """Write a JSON object a line."""
    for call in calls:
        line = harmless.in_json(json.dumps(call, ensure_ascii=False))
        file.write(line.encode("utf-8", "backslashreplace") + b"\n")


def comma_separated(file: BinaryIO, calls: Iterable[Record]) -> None:
    """Write a row a call, with a header; what is a list or an object is JSON, what is not known is empty."""
    text = io.TextIOWrapper(file, "utf-8", errors="backslashreplace", newline="")
    try:
        writer = csv.writer(text)
        columns: list[str] = []
        for call in calls:
            if not columns:
                columns = list(call)
                writer.writerow(columns)
            writer.writerow([_cell(call.get(name)) for name in columns])
    finally:
        text.detach()


def _cell(value: Any) -> str | int | float:
    """Return a value as a cell; text that a spreadsheet would run gets an apostrophe before it."""
    if value is None:
        return ""
    if isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(_FORMULA) else text
