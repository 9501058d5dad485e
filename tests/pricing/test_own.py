"""The user's own price files: what they change of the table, and how they are read again."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from llmitm_pricing import Cost, PriceFileError, PriceTable
from pricing.files import write

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)

SHIPPED = """
strip = ["models/"]
fee = { web_search = 10, file_search = 2 }
[left_out]
code_execution = "by the hour"
[alias]
usual = "large"
[[modifier]]
when = { inference_geo = "us" }
models = ["*"]
times = 2
[[model]]
id = "large"
match = ["large-20*"]
[[model.price]]
mtok = { input = 10 }
[[model]]
id = "searcher"
[[model.price]]
mtok = { input = 1 }
fee = { web_search = 5 }
"""
RESALE = """
like = ["acme"]
"""


@dataclass
class Own:
    """A table with a folder of the user's own."""

    folder: Path

    def __post_init__(self) -> None:
        (self.folder / "shipped").mkdir()
        (self.folder / "own").mkdir()
        write(self.folder / "shipped", SHIPPED)
        write(self.folder / "shipped", RESALE, "resale")
        self.table = PriceTable.load(self.folder / "shipped", own=self.folder / "own")

    def path(self, name: str = "acme") -> Path:
        return self.folder / "own" / f"{name}.toml"

    def write(self, text: str, name: str = "acme") -> None:
        write(self.folder / "own", text, name)

    def load(self, text: str, name: str = "acme") -> None:
        self.write(text, name)
        self.table = PriceTable.load(self.folder / "shipped", own=self.folder / "own")

    def reload(self) -> None:
        assert self.table.changed()
        self.table = self.table.reloaded()
        assert not self.table.changed()

    def usd(
        self,
        model: str = "large",
        provider: str = "acme",
        usage: Mapping[str, int] | None = None,
        geo: str | None = None,
    ) -> Decimal:
        usage = usage or {"input": 1_000_000}
        cost = self.table.price(usage, model=model, provider=provider, at=NOON, geo=geo)
        assert isinstance(cost, Cost), cost
        return cost.usd

    def wrong(self) -> str:
        with pytest.raises(PriceFileError) as error:
            self.table.check()
        return str(error.value).replace(f"{self.folder}/", "")

    def broken(self) -> list[tuple[str, bool]]:
        prefix = f"{self.folder}/own/"
        assert all(path.parent == self.folder / "own" for path in self.table.broken)
        return [(b.told.replace(prefix, ""), b.has_last) for b in self.table.broken.values()]


@pytest.fixture
def own(tmp_path: Path) -> Own:
    return Own(tmp_path)


def model(name: str, usd: object) -> str:
    return f'[[model]]\nid = "{name}"\n[[model.price]]\nmtok = {{ input = {usd} }}\n'


def test_an_own_model_goes_first_and_the_others_stay(own: Own) -> None:
    own.load(model("large", 7) + model("ours", 3))
    assert own.usd("large") == 7
    assert own.usd("ours") == 3
    assert own.usd("searcher") == 1


def test_what_is_paid_to_one_provider_says_nothing_of_another(own: Own) -> None:
    own.load(
        'fee = { web_search = 0 }\n[[modifier]]\nmodels = ["*"]\ntimes = 0.5\n' + model("large", 7)
    )
    assert own.usd("large") == Decimal("3.5")
    assert own.usd("large", "resale") == 10
    assert own.usd("large", "resale", {"input": 0, "web_search": 1000}) == 10


def test_unless_a_file_of_ones_own_says_so(own: Own) -> None:
    own.write(model("large", 7))
    own.load('like = ["acme"]\n', "resale")
    assert own.usd("large", "resale") == 7
    assert own.usd("searcher", "resale") == 1


def test_the_tables_factors_do_not_touch_an_own_model(own: Own) -> None:
    own.load(model("ours", 3))
    assert own.usd("ours", geo="us") == 3
    assert own.usd("large", geo="us") == 20


def test_a_discount_on_everything(own: Own) -> None:
    own.load('[[modifier]]\nmodels = ["*"]\ntimes = 0.88\n' + model("ours", 3))
    assert own.usd("large") == Decimal("8.8")
    assert own.usd("large", geo="us") == Decimal("17.6")
    assert own.usd("ours") == Decimal("2.64")


def test_a_discount_on_what_another_provider_sells(own: Own) -> None:
    own.load('[[modifier]]\nmodels = ["large"]\ntimes = 0.5\nuntil = 2026-12-01\n', "resale")
    assert own.usd("large", "resale") == 5
    assert own.usd("searcher", "resale") == 1
    assert own.usd("large") == 10


def test_an_own_fee_holds_for_all_models(own: Own) -> None:
    searches = {"input": 0, "web_search": 1000, "file_search": 1000}
    own.load("fee = { web_search = 8, code_execution = 30 }\n" + model("ours", 3))
    assert own.usd("large", usage=searches) == 8 + 2
    assert own.usd("searcher", usage=searches) == 8 + 2
    assert own.usd("large", usage={"input": 0, "code_execution": 1000}) == 30
    assert own.usd("ours", usage={"input": 0, "web_search": 1000}) == 8


def test_a_discount_on_a_tier_is_a_price_of_that_tier(own: Own) -> None:
    own.load('[[modifier]]\nwhen = { tier = "batch" }\nmodels = ["large"]\ntimes = 0.4\n')
    costs = [
        own.table.price({"input": 1_000_000}, model=name, provider="acme", at=NOON, tier="batch")
        for name in ("large", "searcher")
    ]
    assert all(isinstance(cost, Cost) for cost in costs)
    assert [cost.usd for cost in costs if isinstance(cost, Cost)] == [4, 1]
    assert [len(cost.notes) for cost in costs if isinstance(cost, Cost)] == [0, 1]


def test_fees_above_a_model_are_told(own: Own) -> None:
    own.load("fee = { web_search = 8 }\n" + model("ours", 3))
    for name, fees in {"large": {"web_search": 8}, "ours": {}}.items():
        found = own.table.find(name, "acme")
        assert found is not None
        assert found.fees_above == fees


def test_an_own_reason_to_leave_a_fee_out(own: Own) -> None:
    own.load('left_out = { web_fetch = "we do not know" }\n')
    cost = own.table.price({"input": 1, "web_fetch": 1}, model="large", provider="acme", at=NOON)
    assert isinstance(cost, Cost)
    assert cost.notes == ("web_fetch is left out: we do not know",)


@pytest.mark.parametrize(
    ("alias", "provider"),
    [
        ('mine = "large"', "acme"),
        ('mine = "large-2026"', "acme"),
        ('mine = "usual"', "acme"),
        ('mine = "models/large"', "acme"),
        ('mine = "large"', "resale"),
        ('mine = "usual"', "resale"),
        ('searcher = "large"\nmine = "searcher"\n"arn:aws:x/y" = "large"', "resale"),
    ],
)
def test_an_own_alias_leads_into_the_table(own: Own, alias: str, provider: str) -> None:
    own.load(f"[alias]\n{alias}\n", provider)
    expected = 1 if "searcher" in alias else 10
    assert own.usd("mine", provider) == expected
    assert own.usd("Mine", provider, geo="us") == expected * 2
    own.table.check()


def test_an_alias_of_the_tables_leads_to_an_own_model(own: Own) -> None:
    own.load(model("large", 7))
    assert own.usd("usual") == 7


def test_an_own_prefix_is_taken_off_for_the_table(own: Own) -> None:
    own.load('strip = ["corp/"]\n')
    assert own.usd("corp/models/large") == 10


def test_a_provider_of_ones_own(own: Own) -> None:
    own.load('like = "resale"\n[alias]\nmine = "large"\n' + model("ours", 3), "gateway")
    assert [own.usd(name, "gateway") for name in ("ours", "mine", "searcher")] == [3, 10, 1]


@pytest.mark.parametrize(
    ("text", "provider", "told"),
    [
        ('[alias]\nmine = "lage"\n', "acme", "4: alias > mine: no model is called 'lage'"),
        ('like = ["acne"]\n', "resale", "3: like > 1: there is no price file of 'acne'"),
        (
            'like = [\n"acme",\n"resale"]\n',
            "resale",
            "5: like > 2: 'resale' leads back to 'resale'",
        ),
        (
            '[[modifier]]\ntimes = 0.5\nmodels = [\n"large",\n"lage",\n"l*"]\n',
            "resale",
            "7: modifier > 1 > models > 2: no model has the id 'lage'",
        ),
    ],
)
def test_what_is_not_there_is_told(own: Own, text: str, provider: str, told: str) -> None:
    own.load(text, provider)
    assert own.wrong() == f"own/{provider}.toml:{told}"
    own.load(text, provider)
    own.table = own.table.reloaded()
    assert own.broken() == [(f"{provider}.toml:{told}", False)]
    with pytest.raises(PriceFileError, match="toml:"):
        own.usd("large", provider)


def test_own_files_in_a_circle(own: Own) -> None:
    own.write('like = ["two"]\n', "one")
    own.load('like = ["resale", "one"]\n' + model("ours", 3), "two")
    assert own.wrong() == "own/one.toml:3: like > 1: 'two' leads back to 'one'"
    assert [own.usd(name, "one") for name in ("ours", "large")] == [3, 10]
    assert own.table.find("nobody", "one") is None
    # Like somebody who is like the table's file of the same provider: no circle, if of little use.
    (own.folder / "own" / "one.toml").unlink()
    (own.folder / "own" / "two.toml").unlink()
    own.load('like = ["resale"]\n')
    own.table.check()
    assert own.table.find("nobody", "acme") is None


def test_files_that_are_added_changed_and_removed_are_noticed(own: Own) -> None:
    assert not own.table.changed()
    before = own.table
    own.write(model("large", 7))
    own.reload()
    assert own.usd() == 7
    own.write(model("large", 77))
    own.reload()
    assert own.usd() == 77
    own.write(model("large", 3), "resale")
    own.reload()
    assert (own.usd(), own.usd("large", "resale")) == (77, 3)
    own.path().unlink()
    own.reload()
    assert (own.usd(), own.usd("large", "resale")) == (10, 3)
    # A table is the same for as long as it is held.
    own.table = before
    assert own.usd() == 10


def test_a_folder_may_come_later(tmp_path: Path) -> None:
    prices = PriceTable.load(own=tmp_path / "prices")
    assert not prices.changed()
    (tmp_path / "prices").mkdir()
    assert not prices.changed()
    write(tmp_path / "prices", model("gpt-4o", 1), "openai")
    assert prices.changed()
    assert prices.reloaded().find("gpt-4o", "openai") is not prices.find("gpt-4o", "openai")


def test_drafts_and_other_files_are_none_of_ours(own: Own) -> None:
    (own.folder / "own" / ".acme.toml").write_text("no toml")
    (own.folder / "own" / "acme.toml~").write_text("no toml")
    (own.folder / "own" / ".#acme.toml").symlink_to("somebody@somewhere.1234")
    (own.folder / "own" / "gone.toml").symlink_to("nowhere.toml")
    assert not own.table.changed()
    own.table.check()
    own.write(model("large", 7))
    own.reload()
    assert own.broken() == []
    assert own.usd() == 7


def test_a_file_that_becomes_wrong_leaves_its_last_prices_in_force(own: Own) -> None:
    own.write(model("large", 7))
    own.reload()
    own.write(model("large", 8) + "colour = 1\n")
    own.reload()
    told = "acme.toml:7: model > 'large' > price > 1 > colour: no such key"
    assert own.broken() == [(told, True)]
    assert own.usd() == 7
    # Another file's change leaves it so.
    own.write(model("large", 3), "resale")
    own.reload()
    assert own.broken() == [(told, True)]
    assert (own.usd(), own.usd("large", "resale")) == (7, 3)
    own.write("no toml")
    own.reload()
    assert own.broken()[0][1]
    assert own.usd() == 7
    own.write(model("large", 9))
    own.reload()
    assert own.broken() == []
    assert own.usd() == 9


def test_a_file_that_was_never_right_has_no_prices(own: Own) -> None:
    own.write("colour = 1\n")
    own.reload()
    assert own.broken() == [("acme.toml:3: colour: no such key", False)]
    with pytest.raises(PriceFileError, match=r"acme.toml:3: colour"):
        own.usd()
    own.path().unlink()
    own.reload()
    assert own.usd() == 10


def test_what_another_files_change_has_made_wrong_is_told_until_it_is_right(own: Own) -> None:
    own.write(model("ours", 3))
    own.write('like = ["acme"]\n[alias]\nmine = "ours"\n', "resale")
    own.reload()
    assert own.usd("mine", "resale") == 3
    own.write(model("yours", 3))
    own.reload()
    assert own.broken() == [("resale.toml:5: alias > mine: no model is called 'ours'", True)]
    assert own.usd("yours") == 3
    own.write(model("ours", 4))
    own.reload()
    assert own.broken() == []
    assert own.usd("mine", "resale") == 4


def test_a_thread_sees_one_table_or_the_other(own: Own) -> None:
    """Prices are asked for while the files change: each answer is wholly of one version."""
    own.write(model("large", 1) + model("searcher", 1))
    own.reload()
    done = threading.Event()
    seen: set[tuple[Decimal, ...]] = set()
    faults: list[Exception] = []

    def ask() -> None:
        while not done.is_set():
            prices = own.table
            costs = [
                prices.price({"input": 1_000_000}, model=name, provider="acme", at=NOON)
                for name in ("large", "searcher")
            ]
            try:
                seen.add(tuple(cost.usd for cost in costs if isinstance(cost, Cost)))
            except Exception as error:
                faults.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for usd in range(2, 40):
        own.write(model("large", usd) + model("searcher", usd))
        own.reload()
    done.set()
    for thread in threads:
        thread.join()
    assert not faults
    assert seen <= {(Decimal(usd), Decimal(usd)) for usd in range(1, 40)}
