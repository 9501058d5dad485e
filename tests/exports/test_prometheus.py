"""The metrics say what the log has, in a form that is read back."""

from __future__ import annotations

import re
from contextlib import closing

from exports.logs import write
from llmitm.exports.prometheus import Metrics
from llmitm.home import Home
from llmitm.store.reader import reading
from llmitm.store.writer import Writer
from store.records import chat

_LINE = re.compile(r'(\w+)(?:\{((?:\w+="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? (\S+)')


def parsed(text: str) -> dict[tuple[str, str], float]:
    assert text.endswith("\n")
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            match = _LINE.fullmatch(line)
            assert match, line
            found[match[1], match[2] or ""] = float(match[3])
    return found


def test_counters_are_those_of_the_log(home: Home) -> None:
    write(home.database)
    with reading(home.database) as log:
        values = parsed(Metrics().text(log))
    labels = 'provider="openai",model="gpt-5.4"'
    assert values["llmitm_calls_total", labels] == 3
    assert values["llmitm_errors_total", labels] == 1
    assert values["llmitm_cost_usd_total", labels] == 0.250125
    assert values["llmitm_tokens_total", f'{labels},type="input"'] == 1_240
    assert values["llmitm_tokens_total", f'{labels},type="cached_input"'] == 800
    assert values["llmitm_unpriced_calls_total", 'provider="openai",model="mystery-1"'] == 1
    assert values["llmitm_losses_total", ""] == 0


def test_the_histogram_counts_what_comes(home: Home) -> None:
    write(home.database)
    metrics = Metrics()
    labels = 'provider="openai",model="odd\\"\\\\\\nname"'
    with closing(Writer(home.database)) as writer, reading(home.database) as log:
        assert not any("bucket" in name for name, _ in parsed(metrics.text(log)))
        for latency in (80.0, 250.0, 400_000.0):
            writer.write([chat("Hi", model='odd"\\\nname', latency_ms=latency)])
        values = parsed(metrics.text(log))
        assert parsed(metrics.text(log)) == values
    name = "llmitm_call_duration_seconds"
    buckets = {key: value for key, value in values.items() if key[0] == f"{name}_bucket"}
    assert buckets[f"{name}_bucket", f'{labels},le="0.1"'] == 1
    assert buckets[f"{name}_bucket", f'{labels},le="0.25"'] == 2  # a bound is part of its bucket
    assert buckets[f"{name}_bucket", f'{labels},le="300.0"'] == 2
    assert buckets[f"{name}_bucket", f'{labels},le="+Inf"'] == 3
    assert values[f"{name}_count", labels] == 3
    assert values[f"{name}_sum", labels] == 400.33
