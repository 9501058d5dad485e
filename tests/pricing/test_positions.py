from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from llmitm_pricing.files import DATA
from llmitm_pricing.positions import Keys, Positions

TEXT = '''\
# a comment with [brackets] and "a quote
schema = 1                       # line 2
names = ["one", # "not this]
    "two]",

    'three' , ]
"quoted key" . sub."with \\" quote" = 'a # b'
text = """
[not.a.table]
key = "no" \\"""
"""
inline = { a = 1, b.c = { d = [1, 2] }, "e f" = "}" }
times = [[01:00:00, 04:00:00],
    [22:00:00, 00:30:00]]

[table]
key = -1.5e3
  [table.below]
  key = 2026-01-01 10:00:00Z
literal = \'\'\'
one = "'" ''\'\'\'

[[model]]
id = "first"
[[ model . price ]]
mtok = { input = 1, output = 2 }

[[model.price]]
from = 2026-01-01

[[model]]
id = "second"
  [[model.price]]
  from = 2026-02-01
    [[model.price.variant]]
    when.tier = "batch"
    [model.price.variant.mtok]
    input = 3
    [[model.price.variant]]
    times = 2

[deep.er.still]
end = true'''


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (["schema"], 2),
        (["names"], 3),
        (["names", 0], 3),
        (["names", 1], 4),
        (["names", 2], 6),
        (["quoted key", "sub", 'with " quote'], 7),
        (["text"], 8),
        (["inline", "a"], 12),
        (["inline", "b", "c", "d", 1], 12),
        (["inline", "e f"], 12),
        (["times", 0, 1], 13),
        (["times", 1, 0], 14),
        (["table"], 16),
        (["table", "key"], 17),
        (["table", "below"], 18),
        (["table", "below", "literal"], 20),
        (["model"], 23),
        (["model", 0], 23),
        (["model", 0, "price", 0], 25),
        (["model", 0, "price", 0, "mtok", "output"], 26),
        (["model", 0, "price", 1, "from"], 29),
        (["model", 1, "id"], 32),
        (["model", 1, "price", 0, "variant", 0, "when", "tier"], 36),
        (["model", 1, "price", 0, "variant", 0, "mtok", "input"], 38),
        (["model", 1, "price", 0, "variant", 1, "times"], 40),
        (["deep"], 42),
        (["deep", "er", "still", "end"], 43),
        # What is not there is told by what is around it.
        ([], 1),
        (["no such key"], 1),
        (["table", "below", "no such key"], 18),
        (["model", 1, "price", 0, "until"], 33),
        (["model", 7, "price"], 23),
    ],
)
def test_a_key_has_a_line(keys: Keys, line: int) -> None:
    tomllib.loads(TEXT)
    assert Positions(TEXT).line(keys) == line


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing", "a = 1", "a = {}", "a = []", "[a]"])
def test_short_texts(text: str) -> None:
    tomllib.loads(text)
    assert Positions(text).line(["b"]) == 1


def paths(
    value: Any, place: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, item in inner:
        yield (*place, key), item
        yield from paths(item, (*place, key))


@pytest.mark.parametrize("path", sorted(DATA.glob("*.toml")), ids=lambda path: path.stem)
def test_every_key_of_the_table_is_found_where_it_is_written(path: Any) -> None:
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    positions = Positions(text)
    for keys, value in paths(tomllib.loads(text)):
        line = lines[positions.line(keys) - 1]
        last = keys[-1]
        told = last if isinstance(last, str) else value if isinstance(value, str) else ""
        assert str(told) in line, (keys, line)
