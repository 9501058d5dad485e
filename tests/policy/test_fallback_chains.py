"""A list of models as the model of a body."""

from __future__ import annotations

import pytest

from llmitm.policy.directives import FallbackDirective, FallbackTarget
from llmitm.policy.fallback_chains import model_list

PROVIDERS = {"openai", "anthropic", "azure", "openrouter"}


def test_a_list_with_a_pin_and_an_exclusion() -> None:
    assert model_list("gpt-4o-mini,claude-sonnet-4-6/anthropic,!azure", PROVIDERS) == (
        FallbackTarget("gpt-4o-mini"),
        FallbackDirective(
            (FallbackTarget("claude-sonnet-4-6", "anthropic"),), excluded=frozenset({"azure"})
        ),
    )


@pytest.mark.parametrize(
    ("text", "models"),
    [
        ("a, b", ["a", "b"]),
        ("a,!azure", ["a"]),
        ("x/openai/gpt-4o/openrouter,b", ["x/openai/gpt-4o", "b"]),
        ("a/azure,b/openai,!azure", ["b"]),
    ],
)
def test_lists(text: str, models: list[str]) -> None:
    found = model_list(text, PROVIDERS)
    assert found is not None
    first, directive = found
    assert [first.model, *(target.model for target in directive.targets)] == models


@pytest.mark.parametrize(
    "text",
    ["", "gpt-4o", "gpt-4o,", ",", "a,,b", "my model, a test", "!azure,!openai", "a,!", "!azure"],
)
def test_what_is_no_list(text: str) -> None:
    assert model_list(text, PROVIDERS) is None
