"""The verbs of `llmitm price` that look at the log, and the working of a call, on a log that was really written."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from llmitm.calls import Finished, Usage
from llmitm.cli import main
from llmitm.home import Home
from llmitm.store.writer import Writer
from llmitm_pricing import PriceTable
from store.records import START, chat, priced

USAGE = Usage("reported", input_tokens=1000, output_tokens=100, cached_input_tokens=400)


def own_prices(
    home: Home, provider: str, head: str = "", until: str = "", then: str = "", **models: str
) -> None:
    """Write a price file of the user's own: by model what a million tokens cost, of any kind.

    `until` ends each price, `then` follows it.
    """
    home.prices.mkdir(exist_ok=True)
    entries = "".join(
        f'[[model]]\nid = "{model}"\n'
        f"[[model.price]]\n{until}\nmtok = {{ input = {usd}, output = {usd} }}\n{then}\n"
        for model, usd in models.items()
    )
    text = f'schema = 1\nprovider = "{provider}"\n{head}\n{entries}'
    (home.prices / f"{provider}.toml").write_text(text)


def log(home: Home, *calls: Finished, **answer: Any) -> None:
    """Write calls at the prices of this moment."""
    table = PriceTable.load(own=home.prices)
    writer = Writer(home.database)
    writer.write([priced(each, table, **answer) for each in calls])
    writer.close()


def call(number: int, model: str = "alpha", provider: str = "mine") -> Finished:
    return chat(f"{number}", at=START + number, model=model, provider=provider, usage=USAGE)


@pytest.fixture
def logged(home: Home) -> Home:
    """Three calls: two with a price, one of a model that has none."""
    own_prices(home, "mine", alpha="2")
    log(home, call(1), call(2), call(3, "beta"))
    return home


def ask(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> tuple[str, str]:
    assert main(arguments) == code
    told = capsys.readouterr()
    return told.out, told.err


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    return json.loads(ask(capsys, *arguments, "--json", code=code)[0])


def costs(capsys: pytest.CaptureFixture[str]) -> list[int | None]:
    calls = json.loads(ask(capsys, "ls", "--json")[0])
    return [each["cost_nanousd"] for each in reversed(calls)]


def test_recalc_changes_what_the_price_files_say_otherwise(
    logged: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    own_prices(logged, "mine", alpha="3", beta="1")
    out, err = ask(capsys, "price", "recalc", "--dry-run")
    assert "3 calls of 3 would change" in err
    assert costs(capsys) == [2_200_000, 2_200_000, None]

    assert ask(capsys, "price", "recalc") == (out, err.replace("would change", "changed"))
    assert out.splitlines() == [
        "mine\talpha\t2\t$0.0044\t$0.0066\t+$0.0022\t–",
        "mine\tbeta\t1\t$0\t$0.0011\t+$0.0011\t1 → 0",
    ]
    assert costs(capsys) == [3_300_000, 3_300_000, 1_100_000]
    (total,) = json.loads(ask(capsys, "stats", "--by", "", "--json")[0])
    assert (total["cost_nanousd"], total["unpriced"]) == (7_700_000, 0)

    assert ask(capsys, "price", "recalc") == ("", "0 calls of 3 changed\n")


def test_recalc_as_json_and_only_what_is_asked_for(
    logged: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    own_prices(logged, "mine", alpha="1", beta="1")
    assert as_json(capsys, "price", "recalc", "--model", "alpha", "--since", "2020-01-01") == {
        "dry_run": False,
        "calls": 2,
        "changed": 2,
        "rechecked": 0,
        "without_basis": 0,
        "models": [
            {
                "provider": "mine",
                "model": "alpha",
                "calls": 2,
                "old_nanousd": 4_400_000,
                "new_nanousd": 2_200_000,
                "difference_nanousd": -2_200_000,
                "unpriced_before": 0,
                "unpriced_now": 0,
            }
        ],
    }
    assert costs(capsys)[2] is None
    assert as_json(capsys, "price", "recalc", "--since", "2h")["calls"] == 0


def test_recalc_with_a_price_file_that_is_wrong_changes_nothing(
    logged: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    (logged.prices / "openai.toml").write_text('schema = 1\nprovider = "openai"\ncolour = 1\n')
    _, err = ask(capsys, "price", "recalc", code=2)
    assert "colour: no such key" in err
    assert costs(capsys) == [2_200_000, 2_200_000, None]


@pytest.mark.parametrize("verb", [["recalc"], ["recalc", "--dry-run"], ["whatif", "--model", "o3"]])
def test_without_a_log_none_is_made(
    home: Home, capsys: pytest.CaptureFixture[str], verb: list[str]
) -> None:
    own_prices(home, "mine", o3="1")
    _, err = ask(capsys, "price", *verb, *(["--provider", "mine"] if "o3" in verb else []), code=1)
    assert "there is no log yet" in err
    assert not home.database.exists()


def test_whatif_compares_model_by_model(logged: Home, capsys: pytest.CaptureFixture[str]) -> None:
    own_prices(logged, "mine", alpha="2")
    own_prices(logged, "other", gamma="1")
    before = logged.database.read_bytes()
    out, err = ask(capsys, "price", "whatif", "--model", "gamma")
    assert out == "mine/alpha\t2\t2,200\t$0.0044\t$0.0022\t-$0.0022\t-50.0\n"
    assert "left out: 1: what it cost is not known" in err
    assert "note: token counts are those of the model that answered" in err
    assert logged.database.read_bytes() == before


def test_whatif_names_why_a_call_has_no_price_there(
    logged: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    found = as_json(capsys, "price", "whatif", "--model", "tts-1", "--provider", "openai")
    reason = "the model is priced by character, which the call does not tell"
    assert found["models"][0]["left_out"] == [{"reason": reason, "calls": 2}]
    assert (found["total"]["calls"], found["total"]["whatif_nanousd"]) == (0, 0)
    assert found["total"]["difference_percent"] is None


def test_whatif_takes_filters_by_the_model_that_answered(
    logged: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    log(logged, call(4, "gpt-4o", "openai"))
    asked = ("price", "whatif", "--model", "gpt-4o-mini", "--provider", "openai")
    found = as_json(capsys, *asked, "--of", "gpt-4o")
    assert [model["model"] for model in found["models"]] == ["gpt-4o"]
    # 600 fresh and 400 cached tokens, and 100 of output, at 2.50, 1.25 and 10, then at 0.15, 0.075 and 0.60.
    assert found["total"]["cost_nanousd"] == 3_000_000
    assert found["total"]["whatif_nanousd"] == 180_000
    assert as_json(capsys, *asked, "--of-provider", "mine")["total"]["calls"] == 2
    assert as_json(capsys, *asked, "--until", "2020-01-01")["models"] == []


def test_whatif_wants_one_model(logged: Home, capsys: pytest.CaptureFixture[str]) -> None:
    own_prices(logged, "mine", twice="1")
    own_prices(logged, "other", twice="1")
    _, err = ask(capsys, "price", "whatif", "--model", "twice", code=1)
    assert err == "llmitm: 'twice' has prices of mine, other: say which by --provider\n"
    _, err = ask(capsys, "price", "whatif", "--model", "claude-opus-46", code=1)
    assert "near it: claude-opus-4-6" in err


def test_check_finds_nothing(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    own_prices(home, "mine", alpha="2")
    log(home, call(1))
    assert ask(capsys, "price", "check") == ("nothing to look at\n", "")
    assert not any(as_json(capsys, "price", "check").values())


def test_check_tells_what_is_unpriced(logged: Home, capsys: pytest.CaptureFixture[str]) -> None:
    (found,) = as_json(capsys, "price", "check", code=1)["unpriced"]
    assert found == {
        "provider": "mine",
        "model": "beta",
        "reason": "no price for model 'beta' of provider 'mine'",
        "calls": 1,
        "tokens": 1100,
        "last_seen": (START + 3) * 1000,
    }
    out, _ = ask(capsys, "price", "check", code=1)
    assert out.splitlines()[0] == "without a price:"
    assert out.splitlines()[1].startswith("mine\tbeta\t1\t1,100\t")
    ask(capsys, "price", "check", "--since", "1h")


def test_check_tells_price_files_that_are_wrong(
    logged: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    (logged.prices / "mine.toml").write_text('schema = 1\nprovider = "mine"\ncolour = 1\n')
    (found,) = as_json(capsys, "price", "check", code=1)["faulty"]
    assert found["provider"] == "mine"
    assert found["fault"].endswith("mine.toml:3: colour: no such key")


def test_check_tells_price_files_that_nobody_has_checked(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    def day(ago: int) -> str:
        return f"checked = {datetime.now(UTC).date() - timedelta(days=ago)}"

    own_prices(home, "mine", day(91), alpha="2")
    own_prices(home, "young", day(89), beta="2")
    own_prices(home, "unused", day(91), gamma="2")
    log(home, call(1), call(2, "beta", "young"))
    found = as_json(capsys, "price", "check", code=1)["stale"]
    assert [each["provider"] for each in found] == ["mine"]
    found = as_json(capsys, "price", "check", "--all", code=1)["stale"]
    assert {"mine", "unused"} <= {each["provider"] for each in found}
    assert "young" not in {each["provider"] for each in found}


@pytest.mark.parametrize(
    ("days", "successor", "told"),
    [
        (10, False, True),
        (10, True, True),
        (40, False, False),
        (-10, False, True),
        (-10, True, False),
    ],
)
def test_check_tells_prices_that_end(
    home: Home, capsys: pytest.CaptureFixture[str], days: int, successor: bool, told: bool
) -> None:
    until = datetime.now(UTC).date() + timedelta(days=days)
    next_price = f"[[model.price]]\nfrom = {until}\nmtok = {{ input = 3, output = 3 }}"
    then = next_price if successor else ""
    own_prices(home, "mine", until=f"until = {until}", then=then, alpha="2", unused="2")
    log(home, call(1))
    found = as_json(capsys, "price", "check", code=int(told))["ending"]
    assert [(each["model"], each["successor"]) for each in found] == (
        [("alpha", successor)] if told else []
    )


def test_check_tells_where_the_provider_charges_otherwise(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    own_prices(home, "mine", alpha="2")
    log(home, call(1), call(2), provider_cost_usd=Decimal("0.00225"))
    log(home, call(3), provider_cost_usd=Decimal("0.00221"))  # half a percent
    (found,) = as_json(capsys, "price", "check", code=1)["differing"]
    assert found == {
        "provider": "mine",
        "model": "alpha",
        "calls": 2,
        "provider_nanousd": 4_500_000,
        "table_nanousd": 4_400_000,
        "difference_nanousd": 100_000,
    }
    out, _ = ask(capsys, "price", "check", code=1)
    assert "mine\talpha\t2\t$0.0045\t$0.0044\t+$0.0001" in out.splitlines()


def test_price_show_works_out_a_usage(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    usage = ("--usage", "input=12000,cached_input=10000,output=800")
    out, _ = ask(capsys, "price", "show", "gpt-4o", "--provider", "openai", *usage)
    working = [line.strip() for line in out.split("working\n")[1].splitlines() if line]
    assert working == [
        "input          2,000 × 2.5 / 1,000,000   $0.005",
        "cached input  10,000 × 1.25 / 1,000,000  $0.0125",
        "output           800 × 10 / 1,000,000    $0.008",
        "sum                                      $0.0255  openai/gpt-4o",
    ]
    (found,) = as_json(
        capsys, "price", "show", "gpt-4o", "--provider", "openai", *usage, "--tier", "batch"
    )
    assert found["working"]["usd"] == "0.019"  # the cached part has no batch price
    assert found["working"]["lines"][0] == {
        "unit": "input",
        "quantity": "2000",
        "price": "1.25",
        "per": "1000000",
        "amount": "0.0025",
    }


def test_price_show_works_out_geography_and_pictures(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("price", "show", "claude-opus-5", "--usage", "input=1000000", "--provider")
    (plain,) = as_json(capsys, *asked, "anthropic")
    (here,) = as_json(capsys, *asked, "anthropic", "--geo", "us")
    assert Decimal(here["working"]["usd"]) == Decimal(plain["working"]["usd"]) * Decimal("1.1")
    words = ("--usage", "image=2", "--attribute", "quality=hd", "--attribute", "size=1024x1792")
    (picture,) = as_json(capsys, "price", "show", "dall-e-3", "--provider", "openai", *words)
    assert picture["working"]["usd"] == "0.24"
    (unknown,) = as_json(capsys, "price", "show", "dall-e-3", "--provider", "openai", *words[:4])
    assert unknown["working"]["usd"] == "0.16"


def test_price_show_has_an_example_where_tokens_are_priced(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    out, _ = ask(capsys, "price", "show", "gpt-4o", "--provider", "openai")
    example = [line.split() for line in out.split("for example\n")[1].splitlines() if line]
    assert example[-1] == ["sum", "$0.0125", "openai/gpt-4o"]
    assert "for example" not in ask(capsys, "price", "show", "dall-e-3")[0]


@pytest.mark.parametrize(
    "options",
    [
        ["--usage", "inputs=5"],
        ["--usage", "input"],
        ["--usage", "input=-5"],
        ["--usage", "input=many"],
        ["--attribute", "colour=red"],
        ["--attribute", "size="],
    ],
)
def test_what_is_no_usage_is_an_error_of_usage(
    home: Home, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["price", "show", "gpt-4o", *options])
    assert exit_.value.code == 2


def test_show_has_the_working_of_a_call(logged: Home, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = ask(capsys, "show", "@3")
    working = [
        "cost                $0.0022  mine/alpha",
        "input         600 × 2 / 1,000,000  $0.0012",
        "cached input  400 × 2 / 1,000,000  $0.0008",
        "output        100 × 2 / 1,000,000  $0.0002",
        "sum                                $0.0022  mine/alpha",
    ]
    assert "\n".join(working) in out
    assert "no price for model 'beta' of provider 'mine'" in ask(capsys, "show", "last")[0]


def test_show_says_where_the_price_files_say_otherwise_by_now(
    logged: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    own_prices(logged, "mine", alpha="3", beta="1")
    out, _ = ask(capsys, "show", "@3")
    logged_, now = out.split("the price files say otherwise by now; llmitm price recalc")
    assert "input               $0.0012\n" in logged_
    assert "input         600 × 3 / 1,000,000  $0.0018\n" in now
    assert "llmitm price recalc" in ask(capsys, "show", "last")[0]
    ask(capsys, "price", "recalc")
    assert "otherwise by now" not in ask(capsys, "show", "@3")[0]


def test_show_has_the_cross_check_with_its_difference(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    own_prices(home, "mine", alpha="2")
    log(home, call(1), provider_cost_usd=Decimal("0.002"))
    out, _ = ask(capsys, "show")
    assert "cost                $0.0020  mine/reported" in out
    assert (
        "by the table        $0.0022  (the cost is what the provider said: -$0.0002 or -10.0%)"
        in out
    )
    assert "sum                                $0.0022  mine/alpha" in out
