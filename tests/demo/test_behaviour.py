from __future__ import annotations

import pytest

from llmitm.demo.behaviour import WORDS, Behaviour, parse


def test_ordinary_models_behave() -> None:
    assert parse("gpt-4o-mini") == parse(None) == Behaviour()


def test_words_of_a_model() -> None:
    assert parse("demo-error-429+retry-after-3+times-2") == Behaviour(
        error=429, retry_after=3, times=2
    )


def test_header_and_model_add_up() -> None:
    assert parse("demo-gzip", "slow, gap-5") == Behaviour(encoding="gzip", slow_ms=300, gap_ms=5)


@pytest.mark.parametrize("word", WORDS)
def test_each_word_changes_its_field(word: str) -> None:
    field, value = WORDS[word]
    assert getattr(parse(f"demo-{word}"), field) == value
    assert getattr(Behaviour(), field) != value


@pytest.mark.parametrize(
    "model", ["demo-unheard-of", "demo-", "demo-gap-x", "demo-drop-2", "demo-br-1"]
)
def test_wrong_words_are_named(model: str) -> None:
    with pytest.raises(ValueError, match=f"'{model.removeprefix('demo-')}'"):
        parse(model)
