"""The state machine of alerts, whatever is measured: one firing a crossing, and its end before the next."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from llmitm.policy.alert_conditions import Condition, parse
from llmitm.policy.alerting import Event, Firing, Group, Measured, step

GROUPS = [("a",), ("b",), ("c",)]
CONDITIONS = [
    "spend > 10 / day by user",
    "spend > 10 / 1h by user",
    "calls >= 5 / week by user if calls >= 3",
    "error rate > 50% / 15m by user if calls >= 3",
    "cache hit rate < 50% / hour by user if calls >= 3",
]

measures = st.lists(
    st.tuples(
        st.sampled_from(GROUPS),
        st.one_of(st.none(), st.integers(0, 40)),
        st.integers(0, 6),
    ),
    max_size=4,
    unique_by=lambda each: each[0],
)
rounds = st.lists(st.tuples(measures, st.booleans()), max_size=25)


def found(condition: Condition, drawn: Sequence[tuple[Group, int | None, int]]) -> list[Measured]:
    scale = Decimal("0.025") if condition.unit == "share" else Decimal("0.5")
    return [
        Measured(group, None if value is None else value * scale, calls)
        for group, value, calls in drawn
    ]


@given(st.sampled_from(CONDITIONS), rounds)
def test_firing_and_end_take_turns_and_nothing_is_lost(
    text: str, drawn: Sequence[tuple[Sequence[tuple[Group, int | None, int]], bool]]
) -> None:
    condition = parse(text)
    is_calendar = condition.window is not None and condition.window.calendar is not None
    state: dict[Group, Firing] = {}
    said: dict[Group, list[Event]] = {group: [] for group in GROUPS}
    window = 0.0
    for now, (values, is_next_window) in enumerate(drawn):
        window += is_next_window
        measured = found(condition, values)
        before, (state, events) = state, step(condition, state, measured, window, now)
        for event in events:
            said[event.measured.group].append(event)
        by_group = {each.group: each for each in measured}
        for group in GROUPS:
            last = said[group][-1].kind if said[group] else "resolved"
            # What has been said is how it stands.
            assert (last == "firing") == (group in state)
            each = by_group.get(group)
            is_beyond = (
                each is not None
                and each.value is not None
                and each.calls >= condition.least_calls
                and condition.crossed(each.value)
            )
            # Nothing that is beyond the line is passed over; nothing fires that is not.
            assert not is_beyond or group in state
            assert is_beyond or group in before or group not in state
        if not is_next_window or not is_calendar:
            # Within the margin nothing changes.
            for group in before.keys() & by_group.keys():
                value = by_group[group].value
                if value is not None and not condition.is_back(value):
                    assert state[group].since == before[group].since
    for events in said.values():
        kinds = [event.kind for event in events]
        assert kinds == ["firing", "resolved"] * (len(kinds) // 2) + ["firing"] * (len(kinds) % 2)


def run(text: str, *values: tuple[str | None, int, float]) -> list[list[str]]:
    """Return the kinds of events of each round; a round is value, calls, window."""
    condition = parse(text)
    state: dict[Group, Firing] = {}
    told = []
    for now, (value, calls, window) in enumerate(values):
        measured = [Measured((), None if value is None else Decimal(value), calls)]
        state, events = step(condition, state, measured, window, now)
        told.append([event.kind for event in events])
    return told


def test_it_ends_only_well_below_the_line() -> None:
    told = run(
        "spend > 50 / 1h", ("51", 1, 0), ("52", 1, 0), ("49", 1, 0), ("51", 1, 0), ("45", 1, 0)
    )
    assert told == [["firing"], [], [], [], ["resolved"]]


def test_a_new_day_ends_it_and_may_begin_it_again() -> None:
    told = run("spend > 50 / day", ("51", 1, 0), ("60", 1, 1), ("61", 1, 1), ("0", 0, 2))
    assert told == [["firing"], ["resolved", "firing"], [], ["resolved"]]


def test_few_calls_start_nothing_and_end_nothing() -> None:
    told = run(
        "error rate > 50% / 15m if calls >= 10",
        ("1", 9, 0),
        ("0.9", 10, 0),
        ("0.8", 4, 0),
        (None, 0, 0),
    )
    assert told == [[], ["firing"], [], ["resolved"]]


def test_a_group_that_is_gone_has_ended() -> None:
    condition = parse("spend > 5 / 1h by user")
    state, _ = step(condition, {}, [Measured(("a",), Decimal(6), 1)], 0, 0)
    state, events = step(condition, state, [], 0, 1)
    assert state == {}
    assert [(event.kind, event.measured) for event in events] == [
        ("resolved", Measured(("a",), Decimal(0), 0))
    ]
