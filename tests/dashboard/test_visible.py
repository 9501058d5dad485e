"""What hides, turns or controls becomes a mark; what people write stays."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmitm.dashboard.charts.svg import element
from llmitm.dashboard.rendering import templates
from llmitm.dashboard.visible import visible


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("\x1b[31m", "⟨ESC⟩[31m"),
        ("\u202egnp.exe", "⟨RLO⟩gnp.exe"),
        ("a\u200bb", "a⟨ZWSP⟩b"),
        ("a\x00b\x7f", "a⟨NUL⟩b⟨DEL⟩"),
        ("line\r\nline\r", "line\nline⟨CR⟩"),
        ("\ud800", "⟨U+D800⟩"),
        ("\U000e0041", "⟨U+E0041⟩"),
        ("Grüße, 日本語, عربي, עברית\tand\n", "Grüße, 日本語, عربي, עברית\tand\n"),
        ("👩\u200d💻", "👩\u200d💻"),
        ("a\u200db", "a⟨ZWJ⟩b"),
    ],
)
def test_marks(text: str, seen: str) -> None:
    assert visible(text) == seen


@given(st.text(st.characters()))
def test_nothing_that_controls_is_left(text: str) -> None:
    seen = visible(text)
    for sign in seen:
        assert sign in "\n\t\u200d" or unicodedata.category(sign) not in ("Cc", "Cs"), repr(sign)
    assert not set(seen) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")
    assert visible(seen) == seen


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_template_makes_it_harmless_by_itself(text: str) -> None:
    shown = templates().from_string("<p title='{{ text }}'>{{ text }}</p>").render(text=text)
    inside = shown.removeprefix("<p title='").removesuffix("</p>").replace("'>", "", 1)
    assert "<" not in inside
    assert "'" not in inside
    assert "\u202e" not in shown


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_chart_makes_it_harmless_by_itself(text: str) -> None:
    import xml.etree.ElementTree as Xml

    drawn = Xml.fromstring(str(element("text", text, aria_label=text)))
    assert (
        drawn.text == (visible(text) or None) or (drawn.text or "").split() == visible(text).split()
    )
    assert len(drawn) == 0
