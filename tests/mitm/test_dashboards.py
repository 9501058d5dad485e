"""Which addresses are this machine's."""

from __future__ import annotations

import pytest

from llmitm.mitm.dashboards import is_this_machine


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("localhost", True),
        ("LOCALHOST.", True),
        ("a.localhost", True),
        ("::1", True),
        ("[::1]", True),
        ("::ffff:127.0.0.1", True),
        ("0.0.0.0", True),
        ("::", True),
        ("10.0.0.1", False),
        ("api.openai.com", False),
        ("localhost.example.com", False),
    ],
)
def test_this_machine(host: str, ours: bool) -> None:
    assert is_this_machine(host) is ours
