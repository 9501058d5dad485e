"""By what each client is told that there is no money left."""

from __future__ import annotations

import pytest

from llmitm.policy.quota_errors import QuotaError, quota_error


@pytest.mark.parametrize(
    ("dialect", "client", "program", "expected"),
    [
        (None, None, None, QuotaError(429, "insufficient_quota")),
        ("openai_chat", "OpenAI/Python 2.1", None, QuotaError(429, "insufficient_quota")),
        ("openai_chat", "OpenAI/Python 2.1", "aider", QuotaError(400, "insufficient_quota")),
        ("openai_chat", "OpenAI/Python 2.1", "aider.py", QuotaError(429, "insufficient_quota")),
        ("anthropic_messages", "claude-cli/2", "claude", QuotaError(429, "rate_limit_error")),
        ("anthropic_messages", "opencode/1.18", None, QuotaError(402, "billing_error")),
        ("gemini", "google-genai-sdk/1", None, QuotaError(429, "RESOURCE_EXHAUSTED")),
        ("gemini", "GeminiCLI-tui/0.61.0", None, QuotaError(403, "PERMISSION_DENIED")),
    ],
)
def test_what_a_client_is_told(
    dialect: str | None, client: str | None, program: str | None, expected: QuotaError
) -> None:
    assert quota_error(dialect, client, program) == expected
