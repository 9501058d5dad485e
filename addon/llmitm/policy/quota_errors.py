"""How a client is told that there is no money left, so that it says so and stops instead of trying again.

Status and type by the dialect, with exceptions for programs that were seen to go on; what was measured is in docs/budgets.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class QuotaError(NamedTuple):
    """An answer that says so."""

    status: int
    type: str
    """In the words of the dialect."""


_OPENAI = QuotaError(429, "insufficient_quota")
"""https://platform.openai.com/docs/guides/error-codes (read 2026-11-26)"""
_BY_DIALECT: Mapping[str, QuotaError] = {
    # https://docs.claude.com/en/api/errors (read 2026-11-26)
    "anthropic": QuotaError(429, "rate_limit_error"),
    # https://ai.google.dev/gemini-api/docs/troubleshooting (read 2026-11-26)
    "gemini": QuotaError(429, "RESOURCE_EXHAUSTED"),
    # Its SDKs try a ThrottlingException, or a 429, again; this one they do not.
    # https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html (read 2026-11-26)
    "bedrock": QuotaError(400, "ServiceQuotaExceededException"),
    # Its SDK tries a 429 twice again. https://docs.cohere.com/reference/errors (read 2026-11-26)
    "cohere": QuotaError(402, "payment_required"),
}
"""By the beginning of the dialect's name."""
_BY_CLIENT: Mapping[tuple[str, str], QuotaError] = {
    # It stops at the quota error, but says nothing of ours.
    ("codex", "openai"): QuotaError(400, "insufficient_quota"),
    # These try a 429 again and again.
    ("geminicli", "gemini"): QuotaError(403, "PERMISSION_DENIED"),
    ("opencode/", "openai"): QuotaError(402, "insufficient_quota"),
    ("opencode/", "anthropic"): QuotaError(402, "billing_error"),
    ("qwencode/", "openai"): QuotaError(402, "insufficient_quota"),
    # It has the user agent of the library that it calls with.
    ("aider", "openai"): QuotaError(400, "insufficient_quota"),
}
"""By the beginning of the user agent, in lower case, and of the dialect's name."""


def quota_error(dialect: str | None, client: str | None, program: str | None = None) -> QuotaError:
    """Return what stops a client, by its user agent, or by the program that it is."""
    spoken, agent = dialect or "", (client or "").lower()
    for (beginning, name), error in _BY_CLIENT.items():
        is_it = agent.startswith(beginning) or (program or "").lower() == beginning.rstrip("/")
        if is_it and spoken.startswith(name):
            return error
    return next((e for name, e in _BY_DIALECT.items() if spoken.startswith(name)), _OPENAI)
