"""Which failures are worth another attempt, and at which a fallback is tried."""

from __future__ import annotations

import pytest

from llmitm.calls import Json
from llmitm.policy.directives import FALLBACK_CODES
from llmitm.policy.failures import (
    Failure,
    Kind,
    failed_answer,
    hint,
    is_worth_retrying,
    matches,
    status_of,
)


def error(status: int, type_: str | None = None, message: str = "", **more: Json) -> Failure:
    document = {"error": {"type": type_, "message": message, **more}}
    return failed_answer("status", "openai", "openai_chat", status, (), document)


def google(*details: Json) -> Failure:
    message = "You exceeded your current quota, please check your plan and billing details."
    document = [
        {
            "error": {
                "code": 429,
                "message": message,
                "status": "RESOURCE_EXHAUSTED",
                "details": list(details),
            }
        }
    ]
    return failed_answer("status", "gemini", "gemini", 429, (), document)


def quota(name: str, value: str = "20") -> Json:
    kind = "type.googleapis.com/google.rpc.QuotaFailure"
    return {"@type": kind, "violations": [{"quotaId": name, "quotaValue": value}]}


RETRY_INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}


def stream(document: Json) -> Failure:
    return failed_answer("stream", "anthropic", "anthropic_messages", 200, (), document)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 522, 524, 529])
def test_statuses_that_pass(status: int) -> None:
    assert is_worth_retrying(error(status)).yes


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 422, 424, 501, 505])
def test_statuses_that_do_not(status: int) -> None:
    assert is_worth_retrying(error(status)) == (False, f"status {status}")


@pytest.mark.parametrize("kind", ["connection", "tls", "reset"])
def test_nobody_reached(kind: Kind) -> None:
    failure = Failure(kind, "openai")
    assert is_worth_retrying(failure).yes
    assert status_of(failure) is None
    assert matches((), failure)


@pytest.mark.parametrize(
    ("provider", "message", "yes"),
    [
        ("openai", "Could not acquire lock on the thread", True),
        ("anthropic", "Request timed out", True),
        ("openai", "A file with this name is there already", False),
        ("groq", "Could not acquire lock", False),
    ],
)
def test_conflicts_only_of_locks(provider: str, message: str, yes: bool) -> None:
    document = {"error": {"message": message}}
    assert is_worth_retrying(failed_answer("status", provider, None, 409, (), document)).yes is yes


@pytest.mark.parametrize(
    "failure",
    [
        error(
            429, "insufficient_quota", "You exceeded your current quota", code="insufficient_quota"
        ),
        error(429, "requests", "stop", code="billing_hard_limit_reached"),
        error(429, "invalid_request_error", "Your credit balance is too low to access the API"),
        error(429, "usage_limit_reached", "The usage limit has been reached", resets_in_seconds=3),
        error(500, None, "Insufficient Balance"),
        failed_answer(
            "status",
            "bedrock",
            "bedrock_converse",
            429,
            [("x-amzn-ErrorType", "ServiceQuotaExceededException:http://x/")],
            {"message": "x"},
        ),
        failed_answer(
            "status",
            "bedrock",
            "bedrock_converse",
            429,
            (),
            {"message": "Too many tokens per day, please wait before trying again."},
        ),
        google(quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier"), RETRY_INFO),
        google(quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "0"), RETRY_INFO),
        google(quota("GenerateRequestsPerMinutePerProjectPerModel")),
        stream({"error": {"type": "insufficient_quota", "message": "x"}}),
    ],
    ids=lambda failure: failure.error_type,
)
def test_what_is_used_up_does_not_come_back(failure: Failure) -> None:
    verdict = is_worth_retrying(failure)
    assert not verdict.yes
    assert verdict.reason.endswith("waiting does not help")
    assert matches(FALLBACK_CODES, failure), "but somebody else may have the model"


@pytest.mark.parametrize(
    "failure",
    [
        error(429, "tokens", "Rate limit reached for gpt-4o", code="rate_limit_exceeded"),
        google(quota("GenerateContentInputTokensPerModelPerMinute-FreeTier"), RETRY_INFO),
        google(),
        failed_answer("status", "vertex", "gemini", 429, (), "<html>busy</html>"),
        failed_answer(
            "status",
            "bedrock",
            "bedrock_converse",
            429,
            [("x-amzn-errortype", "ThrottlingException")],
            {"message": "Too many requests"},
        ),
    ],
)
def test_what_is_only_too_much_now_does(failure: Failure) -> None:
    assert is_worth_retrying(failure).yes


@pytest.mark.parametrize(
    ("status", "told", "yes"), [(400, "true", True), (500, "false", False), (400, "maybe", False)]
)
def test_x_should_retry_goes_before_the_status(status: int, told: str, yes: bool) -> None:
    failure = failed_answer("status", "anthropic", None, status, [("X-Should-Retry", told)], None)
    assert is_worth_retrying(failure).yes is yes


@pytest.mark.parametrize(
    ("document", "yes", "status"),
    [
        ({"error": {"type": "overloaded_error", "message": "Overloaded"}}, True, 529),
        ({"error": {"type": "api_error", "message": "x"}}, True, 500),
        ({"error": {"type": "server_error", "code": "server_error"}}, True, 500),
        ({"error": {"type": "tokens", "code": "rate_limit_exceeded"}}, True, 429),
        ({"error": {"code": 502, "message": "Provider disconnected"}}, True, 502),
        ({"error": {"code": 503, "status": "UNAVAILABLE", "message": "x"}}, True, 503),
        ({"response": {"error": {"code": "server_error", "message": "x"}}}, True, 500),
        ({"error": {"type": "invalid_request_error", "message": "x"}}, False, 400),
        ({"error": {"type": "authentication_error", "message": "x"}}, False, 401),
        ({"error": {"type": "of_tomorrow", "message": "x"}}, False, None),
        (None, True, None),
    ],
)
def test_a_stream_that_failed_before_its_content(
    document: Json, yes: bool, status: int | None
) -> None:
    failure = stream(document)
    assert is_worth_retrying(failure).yes is yes
    assert status_of(failure) == status


def test_codes_of_a_fallback() -> None:
    assert matches(FALLBACK_CODES, error(503))
    assert not matches(FALLBACK_CODES, error(400))
    assert matches(((400, 404),), error(404))
    assert not matches(FALLBACK_CODES, stream({"error": {"type": "invalid_request_error"}}))
    assert matches(FALLBACK_CODES, stream({"error": {"type": "overloaded_error"}}))
    assert matches(FALLBACK_CODES, stream(None))


def test_a_hint_is_found_in_headers_and_in_the_body() -> None:
    assert hint(google(RETRY_INFO), 0) == 34
    limited = failed_answer("status", "openai", None, 429, [("retry-after-ms", "1500")], None)
    assert hint(limited, 0) == 1.5
    assert hint(error(500), 0) is None
