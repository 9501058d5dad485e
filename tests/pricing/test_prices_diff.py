"""The table against those of others: agreement as it was reviewed, and a reason for every difference."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from llmitm_pricing import PriceTable
from pricing.files import table

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "scripts"
README = (ROOT / "pricing" / "README.md").read_text(encoding="utf-8")
REVIEWED = datetime(2026, 11, 26, 12, tzinfo=UTC)
"""When the differences were listed. At noon UTC, since some prices go by the hour."""


@contextmanager
def scripts() -> Iterator[None]:
    sys.path.insert(0, str(SCRIPTS))
    try:
        yield
    finally:
        sys.path.remove(str(SCRIPTS))


with scripts():
    from prices_diff import genai, litellm
    from prices_diff.compare import Reason, compare, idle, reasons, unexplained
    from prices_diff.quotes import Facts, Quote
    from prices_diff.show import TABLES, agreement
    from prices_diff.sources import PACKAGES, Unavailable, quotes


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[Quote]:
    try:
        return quotes(tmp_path_factory.mktemp("tables"), PACKAGES)
    except Unavailable as error:
        pytest.skip(f"the other tables cannot be installed here: {error}")


def test_every_difference_is_listed_with_its_reason(told: list[Quote]) -> None:
    report = compare(PriceTable.load(), told, REVIEWED)
    known = reasons()
    assert unexplained(report, known) == []
    assert idle(report, known) == []


def test_the_agreement_is_that_of_the_readme(told: list[Quote]) -> None:
    report = compare(PriceTable.load(), told, REVIEWED)
    for source in TABLES:
        figures = agreement(report, source)
        assert f"| {source} | {' | '.join(figures.cells)} |" in README
        assert figures.priced / figures.models > (0.99 if source == "genai-prices" else 0.97)


ACME = """
[[model]]
id = "a"
[[model.price]]
mtok = { input = 1, output = 2 }
[[model.price.variant]]
when = { tier = "batch" }
times = 0.5
"""


def quote(unit: str, usd: str, source: str = "litellm", model: str = "a", **facts: object) -> Quote:
    return Quote(source, "acme", model, unit, Decimal(usd), Facts(**facts))  # type: ignore[arg-type]


def test_a_difference_is_found_and_wants_a_reason(tmp_path: Path) -> None:
    said = [quote("input", "1.004"), quote("output", "2.1"), quote("input", "0.6", tier="batch")]
    report = compare(table(tmp_path, ACME), said, REVIEWED)
    assert report.agreed == said[:1]
    assert unexplained(report, []) == said[1:]
    assert unexplained(report, [Reason("an older price", units=("output",))]) == said[2:]
    assert unexplained(report, [Reason("batch costs more there", facts=("batch",))]) == said[1:2]


def test_what_two_others_say_with_us_needs_no_reason(tmp_path: Path) -> None:
    said = [
        quote("input", "3"),
        quote("input", "1", source="genai-prices"),
        quote("input", "1", source="models.dev"),
    ]
    report = compare(table(tmp_path, ACME), said, REVIEWED)
    assert [entry.is_outvoted for entry in report.different] == [True]
    assert unexplained(report, []) == []


def test_a_model_that_we_lack_wants_a_reason_of_its_own(tmp_path: Path) -> None:
    said = [quote("input", "1", model="b")]
    report = compare(table(tmp_path, ACME), said, REVIEWED)
    assert unexplained(report, [Reason("cheaper there")]) == said
    assert unexplained(report, [Reason("no model", missing=True)]) == []


def test_a_reason_without_a_difference_is_told(tmp_path: Path) -> None:
    reason = Reason("long gone", units=("output",))
    report = compare(table(tmp_path, ACME), [quote("input", "1")], REVIEWED)
    assert idle(report, [reason]) == [reason]


def test_the_newest_price_of_a_history_counts(tmp_path: Path) -> None:
    said = [
        quote("input", "5"),
        quote("input", "1")._replace(since="2026-01-01"),
        quote("input", "9")._replace(since="2027-01-01"),
    ]
    assert compare(table(tmp_path, ACME), said, REVIEWED).agreed == said[1:2]


def test_what_litellm_puts_into_names_is_taken_apart() -> None:
    rows = {
        "azure/eu/hd/1024-x-1792/dall-e-3": {
            "litellm_provider": "azure",
            "mode": "image_generation",
            "output_cost_per_image": Decimal("0.12"),
        },
        "bedrock/us-gov-west-1/amazon.titan": {
            "litellm_provider": "bedrock",
            "cache_creation_input_token_cost_above_1hr_above_200k_tokens_priority": Decimal("1e-6"),
        },
        "xai/grok": {
            "litellm_provider": "xai",
            "input_cost_per_token_above_200k_tokens": Decimal("2e-6"),
        },
    }
    first, second, third = litellm.quotes(rows)
    assert first[1:5] == ("azure", "dall-e-3", "image", Decimal("0.12"))
    assert dict(first.facts.attributes) == {"region": "eu", "quality": "hd", "size": "1024x1792"}
    assert second[1:5] == ("bedrock", "amazon.titan", "cache_write_1h", Decimal(1))
    assert second.facts == Facts(
        200_001, "priority", host="bedrock-runtime.us-gov-west-1.amazonaws.com"
    )
    assert third.facts.prompt == 200_000


def test_what_genai_prices_says_of_history_tiers_and_free_models() -> None:
    prices = [
        {
            "constraint": None,
            "prices": {"input_mtok": {"base": "1", "tiers": [{"start": 200_000, "price": "2"}]}},
        },
        {"constraint": {"start_date": "2026-02-01"}, "prices": {"audio_hours": "3.6"}},
        {"constraint": {"start_time": "01:00", "end_time": "02:00"}, "prices": {"input_mtok": "9"}},
    ]
    variant = {
        "when": {"service_tier": "flex"},
        "constraint": None,
        "prices": {"input_mtok": "0.5"},
    }
    models = [
        {"id": "m", "prices": prices, "price_variants": [variant]},
        {"id": "n", "prices": {}, "price_variants": None},
    ]
    said = [q[2:] for q in genai.quotes([{"id": "huggingface_novita", "models": models}])]
    assert said == [
        ("m:novita", "input", 1, Facts(), ""),
        ("m:novita", "input", 2, Facts(200_001), ""),
        ("m:novita", "audio_second", Decimal("0.001"), Facts(), "2026-02-01"),
        ("m:novita", "input", Decimal("0.5"), Facts(tier="flex"), ""),
        ("n:novita", "input", 0, Facts(), ""),
    ]
