from __future__ import annotations

import pytest

from llmitm.mitm.warned import Warned


def test_each_note_is_logged_once_and_not_without_end(caplog: pytest.LogCaptureFixture) -> None:
    warned = Warned()
    warned.warn(["a", "b", "a"])
    warned.warn(["b"])
    assert caplog.messages == ["llmitm: a", "llmitm: b"]
    warned.warn(str(number) for number in range(5_000))
    assert len(caplog.messages) == 1_000
