"""The form of a price file. A name that is not known here is an error, so a slip cannot hide.

`pricing/README.md` explains the format with examples.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from llmitm_pricing.units import ATTRIBUTES, FEE_UNITS, ITEM_UNITS, TOKEN_UNITS

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def _moment(value: Any) -> Any:
    """A day begins at midnight UTC; a time of day must say its offset."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("a time needs its offset, such as 2026-08-16T16:00:00Z")
        return value.astimezone(UTC)
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    raise ValueError("must be a date or a time with its offset, not in quotes")


def _many(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from None
    return value


def _one_of(allowed: Iterable[str]) -> AfterValidator:
    names = tuple(allowed)

    def check(value: str) -> str:
        if value not in names:
            raise ValueError(f"{value!r} is not known here; there are {', '.join(names)}")
        return value

    return AfterValidator(check)


def _wrong(place: tuple[str | int, ...], message: str) -> ValidationError:
    """Return a fault of what is inside an entry, at its own place; pydantic would name the entry."""
    fault = PydanticCustomError("price_file", "{told}", {"told": message})
    details = InitErrorDetails(type=fault, loc=place, input={})
    return ValidationError.from_exception_data("price file", [details])


Moment = Annotated[datetime, BeforeValidator(_moment)]
Usd = Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]
OneOrTable = Annotated[
    Annotated[Usd, Tag("[one]")] | Annotated[dict[str, Usd], Tag("[table]")],
    Discriminator(lambda value: "[table]" if isinstance(value, dict) else "[one]"),
]
Factor = Annotated[Decimal, Field(gt=0, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1)]
Words = Annotated[tuple[Name, ...], BeforeValidator(_many), Field(min_length=1)]
Regex = Annotated[str, AfterValidator(_pattern)]
Token = Annotated[str, _one_of(TOKEN_UNITS)]
Fee = Annotated[str, _one_of(FEE_UNITS)]
Unit = Annotated[str, _one_of(ITEM_UNITS)]
Attribute = Annotated[str, _one_of(ATTRIBUTES)]
Fact = Annotated[str, _one_of(("tier", "inference_geo", "speed", "host", "path", *ATTRIBUTES))]
When = dict[Fact, Words]
"""What must hold, all of it; of several words for one key any will do, and `*` stands for any characters."""
Mtok = dict[Token, Usd]
"""USD per million tokens."""
Fees = dict[Fee, Usd]
"""USD per thousand."""


_NOTHING: Any = Field(default_factory=dict)  # a plain {} would be copied each time, slowly


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Item(_Entry):
    """The price of something that is not a token."""

    unit: Unit
    usd: OneOrTable
    """One price, or one for each combination of the values of `by`, joined by a space."""
    by: tuple[Attribute, ...] = ()
    default: dict[Attribute, str] = _NOTHING
    """What the provider takes where the request does not say."""
    per: Factor = Decimal(1)
    minimum: Usd = Decimal(0)
    """The least quantity that is charged."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if isinstance(self.usd, dict) != bool(self.by):
            raise ValueError("`usd` is a table if, and only if, `by` says what it depends on")
        if isinstance(self.usd, dict):
            for key in self.usd:
                if len(key.split(" ")) != len(self.by):
                    told = f"{key!r} should have one word for each of {', '.join(self.by)}"
                    raise _wrong(("usd", key), told)
        if stray := set(self.default) - set(self.by):
            raise ValueError(f"`default` names {', '.join(sorted(stray))}, which is not in `by`")
        return self


class Variant(_Entry):
    """Prices that take the place of the block's when all of its conditions hold."""

    when: When = _NOTHING
    prompt_from: Annotated[int, Field(gt=0)] | None = None
    """The smallest prompt, in tokens, that gets these prices; the whole call moves."""
    calendar: str | None = None
    times: Factor | None = None
    mtok: Mtok = _NOTHING
    fee: Fees = _NOTHING
    item: tuple[Item, ...] = ()

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.when or self.prompt_from or self.calendar):
            raise ValueError("needs a condition: when, prompt_from or calendar")
        if not (self.mtok or self.fee or self.item or self.times):
            raise ValueError("changes nothing: needs mtok, times, fee or item")
        if self.mtok and self.times:
            raise ValueError("has both mtok and times; write two variants")
        return self


class Price(_Entry):
    """What a model costs for a while."""

    starts: Moment | None = Field(default=None, alias="from")
    until: Moment | None = None
    free: Name | None = None
    """Why it costs nothing."""
    mtok: Mtok = _NOTHING
    fee: Fees = _NOTHING
    item: tuple[Item, ...] = ()
    variant: tuple[Variant, ...] = ()

    @model_validator(mode="after")
    def _is_a_price(self) -> Self:
        if self.free and (self.mtok or self.fee or self.item or self.variant):
            raise ValueError("is free, and yet has prices")
        if not (self.free or self.mtok or self.item):
            raise ValueError("has no prices: needs mtok, item, or free with the reason")
        if self.starts and self.until and self.starts >= self.until:
            raise ValueError("ends before it begins")
        return self


class Model(_Entry):
    """A model, the names it goes by, and its prices in the order of time."""

    id: Name
    match: Words | tuple[()] = ()
    """More names of it; `*` stands for any characters."""
    regex: tuple[Regex, ...] = ()
    """Tried last; each must match the whole name."""
    page: str | None = None
    checked: date | None = None
    note: str | None = None
    price: Annotated[tuple[Price, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for number, (earlier, later) in enumerate(pairwise(self.price), 1):
            place = ("price", number)
            if later.starts is None:
                raise _wrong(place, "needs `from`: only the first price may go without")
            if earlier.starts and earlier.starts >= later.starts:
                raise _wrong((*place, "from"), "is no later than that of the price before")
            if earlier.until and earlier.until > later.starts:
                raise _wrong((*place, "from"), "is before the price before it ends")
        return self


class Modifier(_Entry):
    """A factor on token prices that many models share; fees and items are not multiplied."""

    when: When = _NOTHING
    """Without it the factor holds for every call of the models, as a discount does."""
    models: Words
    """By `id`, with `*`."""
    times: Factor
    starts: Moment | None = Field(default=None, alias="from")
    until: Moment | None = None


class Plan(_Entry):
    """Calls that are paid for otherwise than by what they use: by a subscription, by the day."""

    when: Annotated[When, Field(min_length=1)]
    free: Name | None = None
    """Why such a call costs nothing."""
    unpriced: Name | None = None
    """Why nobody can say what such a call costs."""

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if bool(self.free) == bool(self.unpriced):
            raise ValueError("needs either free or unpriced, with the reason")
        return self


class Calendar(_Entry):
    """Hours of the week, UTC."""

    days: Annotated[tuple[Weekday, ...], Field(min_length=1)] = (
        "mon",
        "tue",
        "wed",
        "thu",
        "fri",
        "sat",
        "sun",
    )
    hours_utc: Annotated[tuple[tuple[time, time], ...], Field(min_length=1)]
    """From, inclusive, and to, exclusive; one that ends earlier than it begins goes on past midnight."""
    exceptions: tuple[date, ...] = Field(default=(), alias="except")


class PriceFile(_Entry):
    """The prices of one provider."""

    schema_: Literal[1] = Field(alias="schema")
    provider: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    currency: Literal["USD"] = "USD"
    hosts: tuple[Name, ...] = ()
    page: str | None = None
    checked: date | None = None
    note: str | None = None
    strip: tuple[Name, ...] = ()
    """What is taken off the front of a name before it is looked up; `*` stands for anything but a slash."""
    endings: tuple[Name, ...] = ()
    """What is taken off the end of a name: words for a router that change no price."""
    like: Words | tuple[()] = ()
    """Providers whose prices hold for the models that are not listed here."""
    alias: dict[Name, Name] = _NOTHING
    """Names that say nothing by themselves (deployments, profiles), and the model behind each."""
    fee: Fees = _NOTHING
    left_out: dict[Fee, Name] = _NOTHING
    """Fees that cannot be known from a call, with the reason; a cost then carries a note."""
    calendar: dict[str, Calendar] = _NOTHING
    modifier: tuple[Modifier, ...] = ()
    plan: tuple[Plan, ...] = ()
    model: tuple[Model, ...] = ()

    @model_validator(mode="after")
    def _calendars_exist(self) -> Self:
        for model_number, model in enumerate(self.model):
            for price_number, price in enumerate(model.price):
                for number, variant in enumerate(price.variant):
                    if variant.calendar and variant.calendar not in self.calendar:
                        place = ("model", model_number, "price", price_number, "variant", number)
                        told = f"there is no {variant.calendar!r} here"
                        known = f"; there are {', '.join(self.calendar)}" if self.calendar else ""
                        raise _wrong((*place, "calendar"), told + known)
        return self
