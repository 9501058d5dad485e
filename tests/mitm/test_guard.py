from __future__ import annotations

import asyncio
import logging

import pytest

from llmitm.mitm.guard import faults, guarded


@guarded
def breaks() -> None:
    raise ValueError("ours")


@guarded
async def breaks_later() -> None:
    raise ValueError("ours")


def test_a_fault_is_counted_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    faults.clear()
    with caplog.at_level(logging.ERROR):
        breaks()
        breaks()
        asyncio.run(breaks_later())
    assert faults == {"breaks": 2, "breaks_later": 1}
    assert len(caplog.records) == 2
