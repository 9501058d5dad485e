"""Alerts in the settings file: written at its end, taken out of its middle, all else left as it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmitm.alerts import editing
from llmitm.errors import LlmitmError
from llmitm.home import Home
from llmitm.settings import load

BEFORE = """# mine
[proxy]
port = 4_000  # not the usual one

[alert.dear]
when = "spend > 5 / day"
to = "desktop"

# the slow ones
[alert.slow]
when = "p95 latency > 4s / 1h"
to = "desktop"

[[budget]]
name = "all"
limit = 20
"""


@pytest.fixture
def place(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.settings.write_text(BEFORE)
    return home


def test_what_is_added_is_there(place: Home) -> None:
    name, condition = editing.add(place, "error rate > 5% / 15m by provider", ["desktop"])
    assert name == "error-rate-15m-provider"
    assert load(place).alert[name].condition == condition
    assert place.settings.read_text().startswith(BEFORE)


def test_what_is_added_and_removed_leaves_nothing(place: Home) -> None:
    editing.add(place, "unpriced > 0 / day", ["desktop"], "new", resolved=False)
    assert load(place).alert["new"].resolved is False
    editing.remove(place, "new")
    assert place.settings.read_text() == BEFORE


def test_what_is_removed_from_the_middle_takes_no_comment_along(place: Home) -> None:
    editing.remove(place, "dear")
    text = place.settings.read_text()
    assert list(load(place).alert) == ["slow"]
    assert text.startswith(
        "# mine\n[proxy]\nport = 4_000  # not the usual one\n\n# the slow ones\n"
    )
    editing.remove(place, "slow")
    assert "[[budget]]" in place.settings.read_text()
    assert load(place).budget[0].name == "all"


@pytest.mark.parametrize(
    "condition",
    ["spend", "spend > 50 / fortnight", "beauty > 5 / day", 'spend > 5 / day\nto = "x"'],
)
def test_what_is_no_condition_changes_nothing(place: Home, condition: str) -> None:
    with pytest.raises(LlmitmError):
        editing.add(place, condition, ["desktop"])
    assert place.settings.read_text() == BEFORE


@pytest.mark.parametrize("channel", ["pager", 'x"]\n[proxy]\nport = 1 #'])
def test_a_channel_that_is_not_there(place: Home, channel: str) -> None:
    with pytest.raises(LlmitmError, match="allowed is"):
        editing.add(place, "spend > 5 / day", [channel], "another")
    assert place.settings.read_text() == BEFORE


def test_names(place: Home) -> None:
    with pytest.raises(LlmitmError, match="there is an alert dear already"):
        editing.add(place, "spend > 5 / day", ["desktop"], "dear")
    with pytest.raises(LlmitmError, match="there is no alert 'cheap'; there is dear, slow"):
        editing.remove(place, "cheap")
    assert place.settings.read_text() == BEFORE


@given(name=st.text(max_size=20))
def test_a_name_never_writes_another_setting(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    home = Home(tmp_path_factory.mktemp("names"))
    home.settings.write_text(BEFORE)
    try:
        editing.add(home, "spend > 7 / day", ["desktop"], name)
    except LlmitmError:
        assert home.settings.read_text() == BEFORE
    else:
        found = load(home)
        assert len(found.alert) == 3
        assert found.proxy.port == 4_000


def test_an_alert_that_is_no_table_is_left(place: Home) -> None:
    text = '[alert]\ndear = { when = "spend > 5 / day", to = "desktop" }\n'
    place.settings.write_text(text)
    with pytest.raises(LlmitmError, match=r"alert\.dear is not a table of its own"):
        editing.remove(place, "dear")
    assert place.settings.read_text() == text


def test_brackets_in_a_text_of_several_lines(place: Home) -> None:
    text = '[alert.dear]\nto = "desktop"\nwhen = """\\\n  spend > 5 / day\\\n"""\n\n[proxy]\nport = 5000\n'
    place.settings.write_text(text)
    editing.remove(place, "dear")
    assert place.settings.read_text() == "[proxy]\nport = 5000\n"
