"""Token buckets: never more than the quota and what has come back, whatever is taken and settled in between."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmitm.policy.allowance import Allowances, Allowed, Denied, Level, key
from llmitm.policy.directives import RateLimitDirective

TEN = RateLimitDirective(Decimal(10), 60, text="10;w=60")
CENTS = RateLimitDirective(Decimal(100), 100, "cents")


def test_a_quota_is_used_up_and_comes_back_evenly() -> None:
    buckets = Allowances()
    for left in range(9, -1, -1):
        found = buckets.take("a", TEN, 1, 1000)
        assert found == Allowed(left, pytest.approx((10 - left) * 6))
    denied = buckets.take("a", TEN, 1, 1000)
    assert isinstance(denied, Denied)
    assert denied.retry_after == pytest.approx(6)
    assert isinstance(buckets.take("a", TEN, 1, 1005.9), Denied)
    assert isinstance(buckets.take("a", TEN, 1, 1006), Allowed)
    assert isinstance(buckets.take("a", TEN, 1, 1006), Denied)
    assert isinstance(buckets.take("b", TEN, 1, 1000), Allowed), "another bucket"


def test_what_is_reserved_too_much_is_put_back() -> None:
    buckets = Allowances()
    assert isinstance(buckets.take("a", CENTS, 80, 0), Allowed)
    assert isinstance(buckets.take("a", CENTS, 30, 0), Denied)
    buckets.settle("a", CENTS, 80, 5, 0)
    assert buckets.take("a", CENTS, 30, 0) == Allowed(65, 35)


def test_what_is_used_beyond_the_reserve_has_to_come_back_first() -> None:
    buckets = Allowances()
    buckets.take("a", CENTS, 10, 0)
    buckets.settle("a", CENTS, 10, 150, 0)
    denied = buckets.take("a", CENTS, 1, 0)
    assert denied == Denied(0, 150, 51)
    assert isinstance(buckets.take("a", CENTS, 1, 50), Denied)
    assert isinstance(buckets.take("a", CENTS, 1, 51), Allowed)


def test_more_than_the_quota_needs_a_full_bucket() -> None:
    half = RateLimitDirective(Decimal("0.5"), 60)
    buckets = Allowances()
    assert isinstance(buckets.take("a", half, 1, 0), Allowed)
    assert isinstance(buckets.take("a", half, 1, 119), Denied)
    assert isinstance(buckets.take("a", half, 1, 120), Allowed)


def test_what_is_not_known_yet_needs_a_bucket_that_is_not_empty() -> None:
    buckets = Allowances({"a": Level(0, 0, 100)})
    denied = buckets.take("a", CENTS, 0, 0)
    assert isinstance(denied, Denied)
    assert denied.retry_after > 0
    assert isinstance(buckets.take("a", CENTS, 0, 1), Allowed)


def test_a_clock_that_is_set_back_fills_nothing_and_takes_nothing() -> None:
    buckets = Allowances()
    buckets.take("a", TEN, 10, 1000)
    assert isinstance(buckets.take("a", TEN, 1, 0), Denied)
    assert isinstance(buckets.take("a", TEN, 10, 1060), Allowed)


def test_full_buckets_are_thrown_away_when_there_are_many() -> None:
    told: dict[str, Level | None] = {}
    buckets = Allowances(changed=told.__setitem__)
    for number in range(10_000):
        buckets.take(str(number), TEN, 1, number / 1000)
    assert len(buckets) == 10_000
    buckets.take("last", TEN, 1, 11)
    assert len(buckets) < 6_001
    assert sum(level is None for level in told.values()) == 10_001 - len(buckets)


def test_a_policy_is_the_same_in_any_order_of_its_fields() -> None:
    same = RateLimitDirective(Decimal("10.0"), 60, text="w=60;10.0")
    assert key(TEN, "", "k") == key(same, "", "k")
    others = [
        (TEN, "", "other"),
        (TEN, "", None),
        (TEN, "ann", "k"),
        (RateLimitDirective(Decimal(11), 60), "", "k"),
        (RateLimitDirective(Decimal(10), 61), "", "k"),
        (RateLimitDirective(Decimal(10), 60, "token"), "", "k"),
        (RateLimitDirective(Decimal(10), 60, segment="user"), "", "k"),
    ]
    assert len({key(*each) for each in [(TEN, "", "k"), *others]}) == len(others) + 1


STEPS = st.lists(
    st.tuples(st.floats(0, 100), st.sampled_from(["take", "settle"]), st.floats(0, 20)), max_size=60
)


@given(st.integers(1, 20), st.integers(60, 600), STEPS)
def test_never_more_requests_than_the_quota_and_what_came_back(
    quota: int, window: int, steps: list[tuple[float, str, float]]
) -> None:
    """Over every span of time, of any length, whatever other segments do in between."""
    directive = RateLimitDirective(Decimal(quota), window)
    buckets, now, times = Allowances(), 0.0, list[float]()
    for passed, step, amount in steps:
        now += passed
        if step == "settle":
            buckets.settle("other", directive, amount, 0, now)
        elif isinstance(buckets.take("a", directive, 1, now), Allowed):
            times.append(now)
    for first, start in enumerate(times):
        for last in range(first, len(times)):
            come_back = (times[last] - start) * quota / window
            assert last - first + 1 <= quota + come_back + 1e-6


@given(
    st.lists(st.tuples(st.floats(0, 5), st.floats(0, 150), st.floats(0, 200)), max_size=40),
    st.randoms(),
)
def test_what_is_really_used_is_bounded_too(
    uses: list[tuple[float, float, float]], random: object
) -> None:
    """With every reserve at least the real use, in whatever order uses end, the same holds of tokens and cents."""
    buckets, now, used = Allowances(), 0.0, 0.0
    running: list[tuple[float, float]] = []
    for passed, real, more in uses:
        now += passed
        reserved = real + more
        if isinstance(buckets.take("a", CENTS, reserved, now), Allowed):
            running.append((reserved, real))
            used += real
            # The last use may be larger than the quota: it needs a full bucket, and is paid for afterwards.
            assert (
                used
                <= 100
                + now
                + max(0.0, real - 100)
                + sum(max(0.0, r - 100) for _, r in running)
                + 1e-6
            )
        if running and random.random() < 0.5:  # type: ignore[attr-defined]
            buckets.settle("a", CENTS, *running.pop(random.randrange(len(running))), now)  # type: ignore[attr-defined]
