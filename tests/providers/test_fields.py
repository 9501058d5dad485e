"""Tolerant access: one type or nothing, and an explicit 0 or "" stays."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmitm.calls import Json
from llmitm.providers import fields


@pytest.mark.parametrize(
    ("read", "value", "expected"),
    [
        (fields.count, 0, 0),
        (fields.count, 3.0, 3),
        (fields.count, -1, None),
        (fields.count, True, None),
        (fields.count, "3", None),
        (fields.count, float("nan"), None),
        (fields.count, float("inf"), None),
        (fields.count, 10**12, 10**12),
        (fields.count, 10**12 + 1, None),
        (fields.count, 1e300, None),
        (fields.number, 10**400, None),
        (fields.number, 1e300, None),
        (fields.money, "1e999999999", None),
        (fields.number, 2.5, 2.5),
        (fields.number, False, None),
        (fields.text, "", ""),
        (fields.text, 1, None),
        (fields.filled, "", None),
        (fields.flag, "true", True),
        (fields.flag, "false", False),
        (fields.flag, 1, False),
        (fields.first, [{"a": 1}, 2], {"a": 1}),
        (fields.first, [2], {}),
        (fields.first, [], {}),
        (fields.mapping, [], {}),
        (fields.items, {}, []),
        (fields.money, 1e-7, Decimal("1e-7")),
        (fields.money, "0.10", Decimal("0.10")),
        (fields.money, 0, Decimal(0)),
        (fields.money, "-1", None),
        (fields.money, "NaN", None),
        (fields.money, True, None),
    ],
)
def test_reads(read: Callable[[Json], object], value: Json, expected: object) -> None:
    found = read(value)
    assert found == expected
    assert type(found) is type(expected)


def test_total_is_unknown_only_where_all_parts_are() -> None:
    assert fields.total(None, None) is None
    assert fields.total(None, 0) == 0
    assert fields.total(1, None, 2) == 3


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(_ANYTHING)
def test_nothing_raises(value: Json) -> None:
    for read in (
        fields.mapping,
        fields.items,
        fields.first,
        fields.text,
        fields.filled,
        fields.flag,
    ):
        read(value)
    for amount in (fields.number(value), fields.count(value), fields.money(value)):
        assert amount is None or amount >= 0
