"""What others wrote moves nothing on a terminal, whatever it is; and JSON stays what it was."""

from __future__ import annotations

import json
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from llmitm import harmless

ANY = st.text(st.characters(exclude_categories=()))
MARKS = "\u200b\u200e\u200f\u061c\u2028\u202a\u202e\u2066\u2069\ufeff"


def obeyed(letter: str) -> bool:
    """Tell whether a terminal does something else than to show a character."""
    return unicodedata.category(letter) in ("Cc", "Cs") or letter in MARKS


@given(ANY)
def test_a_text_keeps_its_lines_and_loses_what_a_terminal_obeys(written: str) -> None:
    shown = harmless.text(written)
    assert not any(map(obeyed, shown.replace("\n", "").replace("\t", "")))
    shown.encode()


@given(ANY)
def test_a_line_is_one_line(written: str) -> None:
    shown = harmless.line(written)
    assert not any(map(obeyed, shown))
    assert len(shown.splitlines()) <= 1


@given(st.recursive(ANY, lambda inner: st.dictionaries(ANY, inner, max_size=3), max_leaves=5))
def test_json_means_the_same(value: object) -> None:
    shown = harmless.in_json(json.dumps(value, ensure_ascii=False))
    assert json.loads(shown) == value
    assert not any(map(obeyed, shown))


def test_what_is_harmless_stays() -> None:
    for written in ("Käpt'n → 日本 👩\u200d👩", "a\n\tb", "שלום"):
        assert harmless.text(written) == written
    assert harmless.text("\x1b[2J\x9b1m\u202e") == "␛[2J\\u009b1m\\u202e"
