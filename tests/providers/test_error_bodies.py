"""Errors in every shape that providers give them."""

from __future__ import annotations

import pytest

from llmitm.calls import Json
from llmitm.providers import error_bodies


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        ({"error": {"type": "a", "status": "b", "code": "c", "message": "m"}}, 400, ("a", "m")),
        ({"error": {"type": None, "status": "b", "code": "c", "message": "m"}}, 400, ("b", "m")),
        ({"error": {"code": 429, "message": "m"}}, 200, ("429", "m")),
        (
            {"error": {"type": None, "status": 400, "code": "content_filter", "message": "m"}},
            400,
            ("content_filter", "m"),
        ),
        ({"error": {"code": "401", "message": "m"}}, 401, ("401", "m")),
        (
            [{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "m"}}],
            429,
            ("RESOURCE_EXHAUSTED", "m"),
        ),
        ({"code": "not found", "error": "m"}, 404, ("not found", "m")),
        ({"error": "m", "error_type": "overloaded"}, 503, ("overloaded", "m")),
        ({"error": "m"}, 404, (None, "m")),
        (
            {"object": "error", "type": "invalid", "code": "3051", "message": "m"},
            400,
            ("invalid", "m"),
        ),
        ({"message": "m", "error_type": "TOO_MANY_TOKENS"}, 400, ("TOO_MANY_TOKENS", "m")),
        ({"error": ["a", 3, "b"]}, 400, (None, "a; b")),
        ({"errors": [{"code": "c", "message": "m"}], "status_code": 404}, 404, ("c", "m")),
        ({"errors": [{"code": "c", "message": "m"}]}, 200, (None, None)),
        ({"detail": "m"}, 401, (None, "m")),
        ({"detail": [{"msg": "a"}, {"msg": "b"}, 3]}, 422, (None, "a; b")),
        ({"detail": {"message": "m"}}, 422, (None, "m")),
        ({"title": "t", "detail": "m"}, 422, (None, "m")),
        ({"message": "m", "request_id": "r"}, 401, (None, "m")),
        ({"message": "a text, and no error"}, 200, (None, None)),
        ({"error": None, "type": "response"}, 200, (None, None)),
        ({"error": {}}, 200, (None, None)),
        ({"error": ""}, 200, (None, None)),
        (None, 503, (None, None)),
        ([], 500, (None, None)),
    ],
)
def test_read(body: Json, status: int, expected: tuple[str | None, str | None]) -> None:
    assert error_bodies.read(body, status) == expected


def test_what_is_written_reads_as_itself() -> None:
    body = error_bodies.openai("budget_exceeded", "Enough for today.")
    assert error_bodies.read(body, 402) == ("budget_exceeded", "Enough for today.")
