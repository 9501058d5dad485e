from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest

from llmitm_pricing import Cost, PriceFileError, PriceTable, Unpriced
from llmitm_pricing.units import Quantity
from pricing.files import table, write

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
TOKENS = {"input": 1_000_000, "output": 1_000_000}


def usd(
    prices: PriceTable,
    usage: dict[str, Quantity] | None = None,
    *,
    at: datetime = NOON,
    **facts: object,
) -> Decimal:
    cost = prices.price(usage or {"input": 1_000_000}, model="a", provider="acme", at=at, **facts)  # type: ignore[arg-type]
    assert isinstance(cost, Cost), cost
    assert sum(cost.parts.values()) == cost.usd
    return cost.usd


def reason(
    prices: PriceTable, usage: dict[str, Quantity], *, model: str = "a", at: datetime = NOON
) -> str:
    cost = prices.price(usage, model=model, provider="acme", at=at)
    assert isinstance(cost, Unpriced), cost
    return cost.reason


MODEL = '[[model]]\nid = "a"\n'
DATED = (
    MODEL
    + """
[[model.price]]
until = 2026-01-01
mtok = { input = 1 }
[[model.price]]
from = 2026-02-01T10:00:00+02:00
mtok = { input = 2 }
[[model.price]]
from = 2026-03-01
mtok = { input = 3 }
"""
)


@pytest.mark.parametrize(
    ("moment", "expected", "price_id"),
    [
        ("2020-05-05T00:00:00+00:00", 1, "acme/a"),
        ("2025-12-31T23:59:59+00:00", 1, "acme/a"),
        ("2026-02-01T08:00:00+00:00", 2, "acme/a@2026-02-01"),
        ("2026-03-01T01:59:59+02:00", 2, "acme/a@2026-02-01"),
        ("2026-03-01T00:00:00+00:00", 3, "acme/a@2026-03-01"),
    ],
)
def test_the_block_of_the_moment_holds(
    tmp_path: Path, moment: str, expected: int, price_id: str
) -> None:
    cost = table(tmp_path, DATED).price(
        {"input": 1_000_000}, model="a", provider="acme", at=datetime.fromisoformat(moment)
    )
    assert isinstance(cost, Cost)
    assert (cost.usd, cost.price_id) == (expected, price_id)


def test_a_gap_between_blocks_is_unpriced(tmp_path: Path) -> None:
    at = datetime(2026, 1, 15, tzinfo=UTC)
    told = reason(table(tmp_path, DATED), {"input": 1}, at=at)
    assert told == "no price for model 'a' of provider 'acme' on 2026-01-15"


def test_a_moment_without_offset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="offset"):
        table(tmp_path, DATED).price(
            {"input": 1},
            model="a",
            provider="acme",
            at=datetime(2026, 1, 1),  # noqa: DTZ001
        )


TIERED = (
    MODEL
    + """
[[model.price]]
mtok = { input = 8, cached_input = 1, output = 20 }
[[model.price.variant]]
prompt_from = 1_001
mtok = { input = 16, cached_input = 2 }
[[model.price.variant]]
when = { tier = "batch" }
times = 0.5
[[model.price.variant]]
when = { tier = ["priority", "fast"], speed = "quick" }
mtok = { input = 80 }
[[model.price.variant]]
when = { host = "eu.*", path = "*/special" }
mtok = { input = 100 }
"""
)


@pytest.mark.parametrize(
    ("tokens", "facts", "price"),
    [
        (1_000, {}, 8),
        (1_001, {}, 16),
        (1_000, {"tier": "batch"}, 4),
        (1_001, {"tier": "batch"}, 8),
        (1_000, {"tier": "fast", "speed": "quick"}, 80),
        (1_000, {"tier": "priority", "speed": "quick"}, 80),
        (1_000, {"tier": "priority"}, 8),
        (1_000, {"tier": "fast", "speed": "slow"}, 8),
        (1_000, {"host": "eu.acme.com", "path": "/v1/special"}, 100),
        (1_000, {"host": "eu.acme.com", "path": "/v1/plain"}, 8),
        (1_000, {"host": "us.acme.com", "path": "/v1/special"}, 8),
    ],
)
def test_variants_apply_in_their_order(
    tmp_path: Path, tokens: int, facts: dict[str, str], price: int
) -> None:
    assert (
        usd(table(tmp_path, TIERED), {"input": tokens}, **facts)
        == Decimal(tokens * price) / 1_000_000
    )


def test_the_whole_prompt_chooses_the_price(tmp_path: Path) -> None:
    usage: dict[str, Quantity] = {"input": 2_000, "cached_input": 1_990}
    assert usd(table(tmp_path, TIERED), usage) == Decimal("0.00414")


@pytest.mark.parametrize("tier", ["default", "standard", None])
def test_a_plain_tier_needs_no_note(tmp_path: Path, tier: str | None) -> None:
    cost = table(tmp_path, TIERED).price(TOKENS, model="a", provider="acme", at=NOON, tier=tier)
    assert isinstance(cost, Cost)
    assert cost.notes == ()


def test_a_tier_without_prices_is_noted(tmp_path: Path) -> None:
    cost = table(tmp_path, TIERED).price(TOKENS, model="a", provider="acme", at=NOON, tier="flex")
    assert isinstance(cost, Cost)
    assert cost.notes == ("the tier 'flex' has no price of its own here: standard prices",)


MODIFIED = (
    """
[fee]
web_search = 10
[left_out]
code_execution = "by the hour"
[[modifier]]
when = { inference_geo = "us" }
models = ["a*"]
times = 1.1
[[modifier]]
when = { inference_geo = "us", speed = "fast" }
models = ["a"]
times = 2
from = 2026-01-01
until = 2026-12-01
[[modifier]]
when = { inference_geo = "us" }
models = ["b"]
times = 100
"""
    + MODEL
    + """
[[model.price]]
mtok = { input = 10 }
[[model.price.item]]
unit = "request"
usd = 7
"""
)


def test_modifiers_multiply_tokens_and_nothing_else(tmp_path: Path) -> None:
    prices = table(tmp_path, MODIFIED)
    usage: dict[str, Quantity] = {"input": 1_000_000, "web_search": 3, "request": 1}
    assert usd(prices, usage) == Decimal("17.03")
    assert usd(prices, usage, geo="us") == Decimal("18.03")
    assert usd(prices, usage, geo="us", speed="fast") == Decimal("29.03")
    later = datetime(2026, 12, 1, tzinfo=UTC)
    assert usd(prices, usage, geo="us", speed="fast", at=later) == Decimal("18.03")


def test_what_is_left_out_is_noted_and_does_not_hinder(tmp_path: Path) -> None:
    cost = table(tmp_path, MODIFIED).price(
        {"input": 1, "code_execution": 2}, model="a", provider="acme", at=NOON
    )
    assert isinstance(cost, Cost)
    assert cost.notes == ("code_execution is left out: by the hour",)


def test_a_models_own_fee_goes_before_what_is_left_out(tmp_path: Path) -> None:
    text = MODIFIED.replace(
        "mtok = { input = 10 }", "mtok = { input = 10 }\nfee = { code_execution = 30 }"
    )
    assert usd(table(tmp_path, text), {"input": 0, "code_execution": 2}) == Decimal("0.06")


def test_a_fee_that_is_not_known_is_not_zero(tmp_path: Path) -> None:
    prices = table(tmp_path, MODIFIED)
    assert (
        reason(prices, {"input": 1, "file_search": 1}) == "the model has no price for file_search"
    )
    assert usd(prices, {"input": 1_000_000, "file_search": 0}) == 10


def test_a_unit_that_nobody_knows_is_noted(tmp_path: Path) -> None:
    cost = table(tmp_path, MODIFIED).price(
        {"input": 1, "unicorns": 2}, model="a", provider="acme", at=NOON
    )
    assert isinstance(cost, Cost)
    assert cost.notes == ("unicorns is no unit of the price table",)


PEAK = (
    """
[calendar.peak]
days = ["mon", "tue", "wed", "thu", "fri"]
hours_utc = [[01:00:00, 04:00:00], [22:00:00, 00:30:00]]
except = [2026-10-01]
"""
    + MODEL
    + """
[[model.price]]
mtok = { input = 1 }
[[model.price.variant]]
calendar = "peak"
mtok = { input = 2 }
"""
)


@pytest.mark.parametrize(
    ("moment", "price"),
    [
        ("2026-11-20T00:59:59", 1),
        ("2026-11-20T01:00:00", 2),
        ("2026-11-20T03:59:59", 2),
        ("2026-11-20T04:00:00", 1),
        ("2026-11-20T22:00:00", 2),
        ("2026-11-20T00:29:59", 2),
        ("2026-11-20T00:30:00", 1),
        ("2026-11-21T02:00:00", 1),  # a Saturday
        ("2026-10-01T02:00:00", 1),  # a holiday
    ],
)
def test_hours_and_holidays(tmp_path: Path, moment: str, price: int) -> None:
    at = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    prices = table(tmp_path, PEAK)
    assert usd(prices, at=at) == price
    assert usd(prices, at=at.astimezone(timezone(timedelta(hours=9)))) == price


ITEMS = (
    MODEL
    + """
[[model.price]]
[[model.price.item]]
unit = "image"
by = ["quality", "size"]
default = { quality = "low", size = "1x1" }
usd = { "low 1x1" = 0.01, "high 1x1" = 0.04, "high 2x2" = 0.16 }
[[model.price.item]]
unit = "audio_second"
per = 3600
usd = 0.36
minimum = 10
[[model.price.variant]]
when = { tier = "batch" }
[[model.price.variant.item]]
unit = "audio_second"
per = 3600
usd = 0.18
"""
)


@pytest.mark.parametrize(
    ("usage", "attributes", "expected"),
    [
        ({"image": 3}, {}, "0.03"),
        ({"image": 3}, {"quality": "high"}, "0.12"),
        ({"image": 1}, {"quality": "high", "size": "2x2", "resolution": "?"}, "0.16"),
        ({"audio_second": 100}, {}, "0.01"),
        ({"audio_second": 12.5}, {}, "0.00125"),
        ({"audio_second": 3}, {}, "0.001"),
        ({"image": 1, "audio_second": 100}, {}, "0.02"),
    ],
)
def test_what_is_not_a_token(
    tmp_path: Path, usage: dict[str, Quantity], attributes: dict[str, str], expected: str
) -> None:
    assert usd(table(tmp_path, ITEMS), usage, attributes=attributes) == Decimal(expected)


def test_an_item_may_have_another_price_in_a_tier(tmp_path: Path) -> None:
    assert usd(table(tmp_path, ITEMS), {"audio_second": 100}, tier="batch") == Decimal("0.005")


def test_a_combination_that_has_no_price_is_unpriced(tmp_path: Path) -> None:
    cost = table(tmp_path, ITEMS).price(
        {"image": 1}, model="a", provider="acme", at=NOON, attributes={"size": "2x2"}
    )
    assert cost == Unpriced("no price for one image of quality 'low', size '2x2'")


def test_without_usage_nothing_is_zero(tmp_path: Path) -> None:
    assert reason(table(tmp_path, DATED), {}) == "the provider reported no usage"
    assert reason(table(tmp_path, DATED), {"request": 1}) == "the provider reported no usage"
    by_items = reason(table(tmp_path, ITEMS), {"request": 1})
    assert by_items == "the model is priced by image and audio_second, which the call does not tell"


def test_counts_of_zero_cost_nothing(tmp_path: Path) -> None:
    assert usd(table(tmp_path, DATED), {"input": 0}) == 0


def test_tokens_without_a_price_are_unpriced(tmp_path: Path) -> None:
    assert reason(table(tmp_path, DATED), {"input": 1, "output": 1}) == (
        "the model has no price for output tokens"
    )


@pytest.mark.parametrize("count", [-1, -0.5, float("nan"), float("inf"), 10**15])
def test_usage_that_cannot_be_is_refused(tmp_path: Path, count: float) -> None:
    told = reason(table(tmp_path, DATED), {"input": count})
    assert told == f"the usage cannot be: input is {count}"


def test_an_unknown_model_is_told_by_name(tmp_path: Path) -> None:
    told = reason(table(tmp_path, DATED), {"input": 1}, model="zz")
    assert told == "no price for model 'zz' of provider 'acme'"


def test_free_is_a_price_with_a_reason(tmp_path: Path) -> None:
    prices = table(tmp_path, MODEL + '[[model.price]]\nfree = "a gift"\n')
    cost = prices.price({}, model="a", provider="acme", at=NOON)
    assert cost == Cost(Decimal(0), "acme/a", notes=("a gift",))


def test_one_provider_may_be_like_another(tmp_path: Path) -> None:
    write(tmp_path, MODIFIED)
    text = 'like = ["acme", "resale"]\nstrip = ["x/"]\n[[modifier]]\nwhen = { host = "eu" }\nmodels = ["a"]\ntimes = 3\n'
    write(tmp_path, text, "resale")
    prices = PriceTable.load(tmp_path)
    cost = prices.price(
        {"input": 1_000_000}, model="x/a", provider="resale", at=NOON, host="eu", geo="us"
    )
    assert isinstance(cost, Cost)
    assert (cost.usd, cost.price_id) == (Decimal(33), "acme/a")
    assert prices.find("zz", "resale") is None


def test_the_users_own_prices_go_first(tmp_path: Path) -> None:
    for name in ("ours", "own"):
        (tmp_path / name).mkdir()
    write(tmp_path / "ours", DATED + '[[model]]\nid = "b"\n[[model.price]]\nmtok = { input = 5 }\n')
    write(tmp_path / "own", MODEL + "[[model.price]]\nmtok = { input = 0.5 }\n")
    prices = PriceTable.load(tmp_path / "ours", own=tmp_path / "own")
    assert usd(prices) == Decimal("0.5")
    cost = prices.price({"input": 1_000_000}, model="b", provider="acme", at=NOON)
    assert isinstance(cost, Cost)
    assert cost.usd == 5


def test_files_are_read_when_they_are_needed(tmp_path: Path) -> None:
    write(tmp_path, DATED)
    write(tmp_path, "colour = 1\n", "broken")
    prices = PriceTable.load(tmp_path)
    assert usd(prices) == 3
    with pytest.raises(PriceFileError, match="colour"):
        prices.price({"input": 1}, model="a", provider="broken", at=NOON)
    with pytest.raises(PriceFileError, match="colour"):
        prices.check()


PLANS = """
[[plan]]
when = { path = "/coding/*" }
free = "part of a subscription"
[[plan]]
when = { tier = "scale" }
unpriced = "paid by the day"
[[model]]
id = "a"
[[model.price]]
mtok = { input = 1 }
"""


def test_what_is_paid_for_otherwise_is_not_priced_by_use(tmp_path: Path) -> None:
    prices = table(tmp_path, PLANS)

    def ask(model: str = "a", **facts: str) -> Cost | Unpriced:
        return prices.price(
            {"input": 1_000_000},
            model=model,
            provider="acme",
            at=NOON,
            tier=facts.get("tier"),
            path=facts.get("path"),
        )

    assert ask(path="/v1/chat") == ask()
    for model in ("a", "nobody-knows"):
        free = ask(model, path="/coding/v1/chat")
        assert isinstance(free, Cost)
        assert (free.usd, free.price_id, free.notes) == (
            0,
            "acme/plan",
            ("part of a subscription",),
        )
        assert ask(model, tier="scale") == Unpriced("paid by the day")


@pytest.mark.parametrize("says", ["", 'free = "a"\nunpriced = "b"'])
def test_a_plan_says_one_thing(tmp_path: Path, says: str) -> None:
    prices = table(tmp_path, f'[[plan]]\nwhen = {{ tier = "x" }}\n{says}\n{MODEL}')
    with pytest.raises(PriceFileError, match="plan > 1: needs either free or unpriced"):
        prices.check()


def test_endings_that_change_no_price_are_taken_off(tmp_path: Path) -> None:
    prices = table(
        tmp_path,
        'strip = ["*/"]\nendings = [":fast", ":floor"]\n'
        + MODEL
        + "[[model.price]]\nmtok = { input = 1 }\n"
        + '[[model]]\nid = "b:fast"\n[[model.price]]\nmtok = { input = 2 }\n',
    )
    found = {
        name: entry.entry.id
        for name in ("a:fast", "vendor/A:Floor", "a:floor:fast", "b:fast", "a:slow", ":fast")
        if (entry := prices.find(name, "acme"))
    }
    assert found == {"a:fast": "a", "vendor/A:Floor": "a", "a:floor:fast": "a", "b:fast": "b:fast"}


def test_pictures_are_charged_where_no_tokens_are_told(tmp_path: Path) -> None:
    prices = table(
        tmp_path,
        MODEL
        + "[[model.price]]\nmtok = { input = 1 }\n"
        + '[[model.price.item]]\nunit = "input_image"\nusd = 0.5\n'
        + '[[model.price.item]]\nunit = "request"\nusd = 0.1\n',
    )
    assert usd(prices, {"input_image": 2, "request": 1}) == Decimal("1.1")
    assert reason(prices, {"request": 1}) == "the provider reported no usage"
