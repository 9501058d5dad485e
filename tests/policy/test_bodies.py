from __future__ import annotations

import pytest

from llmitm.calls import Endpoint, Operation
from llmitm.policy.bodies import LONGEST_HELD, kept_of_request, passes_at_once

FORM = "multipart/form-data; boundary=b"


@pytest.mark.parametrize(
    ("operation", "content_type", "length", "passes"),
    [
        ("chat", "application/json", LONGEST_HELD, False),
        ("chat", "application/json", LONGEST_HELD + 1, True),
        ("chat", "application/json; charset=utf-8", None, False),  # .NET tells no length
        ("chat", "application/vnd.api+json", None, False),
        ("chat", "", None, False),
        ("other", "", 0, False),
        ("transcription", FORM, 900_000, False),
        ("transcription", FORM, 2_000_000, True),
        ("transcription", "audio/wav", None, True),
        ("file", FORM, 10, True),
    ],
)
def test_what_passes_at_once(
    operation: Operation, content_type: str, length: int | None, passes: bool
) -> None:
    assert passes_at_once(Endpoint("p", operation, None), content_type, length) is passes


def test_of_a_recording_more_is_kept_than_of_a_file() -> None:
    recording, file = (Endpoint("p", name, None) for name in ("transcription", "file"))
    assert kept_of_request(recording) > 25_000_000 > kept_of_request(file)
