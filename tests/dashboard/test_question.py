"""One question, three ways to write it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmitm.dashboard.question import Question
from llmitm.errors import LlmitmError


def test_the_line_of_the_documentation() -> None:
    question = Question().with_line('model:claude* tag:nightly status:>=400 cost:>0.05 "retry"')
    wanted = question.filter()
    assert wanted.model == "claude*"
    assert wanted.properties == {"tag": "nightly"}
    assert wanted.status == ">=400"
    assert wanted.min_cost == Decimal("0.050000001")
    assert wanted.text == '"retry"' or wanted.text == "retry"


def test_any_other_name_is_a_property() -> None:
    question = Question().with_line('Workflow:triage step:"first of all" refund policy')
    assert question.tags == {"Workflow": "triage", "step": "first of all"}
    assert question.text == "refund policy"


def test_the_time_stays_where_the_line_names_none() -> None:
    question = Question(since="7d").with_line("user:ada")
    assert (question.since, question.user) == ("7d", "ada")
    assert Question(since="7d").with_line("since:2h user:ada").since == "2h"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("status:bad", "status 'bad'"),
        ("cost:<1", "cost:<1"),
        ("cost:>much", "'much'"),
        ("since:never", "'never'"),
        ("cost:>nan", "'nan'"),
    ],
)
def test_what_is_not_known_is_told(line: str, why: str) -> None:
    with pytest.raises(LlmitmError, match=why):
        Question().with_line(line)


_WORDS = st.text(
    st.characters(codec="utf-8", exclude_characters='"\\', exclude_categories=["Z", "C"]),
    min_size=1,
)
_QUESTIONS = st.builds(
    Question,
    since=st.sampled_from(["15m", "24h", "all", "2026-11-24T08:30"]),
    model=st.sampled_from(["", "claude*", "gpt-4o"]),
    user=st.one_of(st.just(""), _WORDS, st.just("two words")),
    session=st.one_of(st.just(""), _WORDS),
    status=st.sampled_from(["", "429", "4xx", ">=400"]),
    errors=st.sampled_from(["", "1"]),
    min_cost=st.sampled_from(["", "0.05"]),
    text=st.sampled_from(["", "refund", "refund policy", '"a phrase" word']),
    tags=st.dictionaries(
        st.from_regex(r"prop[A-Za-z0-9_.-]*", fullmatch=True), st.one_of(_WORDS, st.just("a b"))
    ),
)


@given(_QUESTIONS)
def test_an_address_asks_the_same(question: Question) -> None:
    query = question.query().removeprefix("?")
    assert Question.of(parse_qs(query)) == question


@given(_QUESTIONS)
def test_a_line_asks_the_same(question: Question) -> None:
    again = Question(since=question.since).with_line(question.line())
    assert {name.lower(): value for name, value in again.tags.items()} == {
        name.lower(): value for name, value in question.tags.items()
    }
    for name in ("since", "model", "user", "session", "status", "errors", "min_cost"):
        assert getattr(again, name) == getattr(question, name), name
    assert again.text.replace('"', "") == question.text.replace('"', "")


def test_options_are_those_of_the_command_line() -> None:
    import argparse
    import shlex

    from llmitm.cli.filtering import add_filters, wanted

    question = Question(
        since="3d",
        model="claude*",
        user="a da",
        status="4xx",
        errors="1",
        min_cost="0.05",
        text="refund policy",
        run="r1",
        tags={"Workflow": "triage"},
    )
    parser = argparse.ArgumentParser()
    add_filters(parser)
    asked = wanted(parser.parse_args(shlex.split(question.options())))
    ours = question.filter()
    assert asked.since is not None
    assert ours.since is not None
    assert abs((asked.since - ours.since).total_seconds()) < 60
    for name in ("model", "user", "status", "errors", "min_cost", "text", "run", "properties"):
        assert getattr(asked, name) == getattr(ours, name), name


def test_narrowing_and_times() -> None:
    question = Question(since="7d").narrowed("model", "gpt-4o").narrowed("property:team", "red")
    assert (question.model, question.tags) == ("gpt-4o", {"team": "red"})
    start, end = datetime(2026, 11, 24, tzinfo=UTC), datetime(2026, 11, 25, tzinfo=UTC)
    wanted = question.between(start, end).filter()
    assert (wanted.since, wanted.until) == (start, end)
