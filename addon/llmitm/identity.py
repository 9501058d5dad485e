"""Who made a call and what it belongs to: control headers, tags of the run, what the body and the client say.

Names and meanings are those of docs/headers.md. A bad value never breaks a call: it has no effect and leaves a note.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl, urlsplit

from llmitm.calls import Exchange, Identity, Prompt
from llmitm.policy.control import request_id, without_helicone_key
from llmitm.wire import jsontext

_PROPERTY = "helicone-property-"
_KEY_HEADERS = ("authorization", "x-api-key", "api-key", "x-goog-api-key", "xi-api-key")
_KEY_PARAMETERS = frozenset({"key", "api_key", "api-key", "access_token"})
_SESSION_HEADERS = ("x-claude-code-session-id", "session-id", "session_id", "x-session-affinity")
"""How coding agents name their sessions (Claude Code, Codex, opencode), seen in November 2026."""
_NO_EFFECT = (
    "helicone-moderations-enabled",
    "helicone-llm-security-enabled",
    "helicone-posthog-",
    "helicone-lytix-",
    "helicone-experiment-",
    "helicone-webhook-enabled",
    "helicone-token-limit-exception-handler",
)
_LONGEST_CLIENT = 100


def identify(exchange: Exchange, prompt: Prompt) -> Identity:
    """Return the identity of a call."""
    headers = {name.lower(): value for name, value in exchange.request_headers}
    tags = dict(exchange.tags)
    properties = _properties(exchange, tags)
    notes = [f"{name} has no effect here" for name in headers if name.startswith(_NO_EFFECT)]
    body_user, body_session = _user_and_session(prompt.user)
    return Identity(
        user=headers.get("helicone-user-id")
        or tags.get("user")
        or _property(properties, "userid")
        or body_user,
        session_id=headers.get("helicone-session-id")
        or tags.get("session")
        or next((headers[name] for name in _SESSION_HEADERS if headers.get(name)), None)
        or body_session,
        session_name=headers.get("helicone-session-name") or tags.get("session_name"),
        session_path=headers.get("helicone-session-path") or tags.get("session_path"),
        prompt_id=headers.get("helicone-prompt-id"),
        request_id=_request_id(exchange, headers.get("helicone-request-id"), notes),
        run_id=tags.get("run_id"),
        properties=properties,
        api_key_fingerprint=_fingerprint(exchange),
        client=(headers.get("user-agent") or "")[:_LONGEST_CLIENT] or None,
        model_override=headers.get("helicone-model-override"),
        omit_request=_is_true(headers, "helicone-omit-request", notes),
        omit_response=_is_true(headers, "helicone-omit-response", notes),
        notes=notes,
    )


def client_retry(exchange: Exchange) -> int | None:
    """Return which retry of its own the client's SDK says this is; 0 is the first try."""
    headers = {name.lower(): value for name, value in exchange.request_headers}
    count = headers.get("x-stainless-retry-count", "")
    if count.isdigit():
        return int(count)
    for field in headers.get("amz-sdk-request", "").split(";"):
        name, _, value = field.strip().partition("=")
        if name == "attempt" and value.isdigit():
            return max(0, int(value) - 1)
    return None


def credentials(exchange: Exchange) -> Sequence[str]:
    """Return the secrets that a call carries, to be struck out wherever they turn up again."""
    found = [value for name, value in exchange.request_headers if name.lower() in _KEY_HEADERS]
    found = [value.partition(" ")[2] or value for value in found]
    if "?" in exchange.path:
        query = parse_qsl(urlsplit(exchange.path).query)
        found += [value for name, value in query if name.lower() in _KEY_PARAMETERS]
    return found


def _fingerprint(exchange: Exchange) -> str | None:
    """Return a short hash of the provider's key: enough to tell keys apart, not to find them."""
    for value in credentials(exchange):
        key = without_helicone_key(value)
        if key:
            return hashlib.blake2b(key.encode(), digest_size=6, person=b"llmitm key").hexdigest()
    return None


def _properties(exchange: Exchange, tags: Mapping[str, str]) -> dict[str, str]:
    known = {"run_id", "user", "session", "session_name", "session_path"}
    properties = {name: value for name, value in tags.items() if name not in known}
    for name, value in exchange.request_headers:
        if name.lower().startswith(_PROPERTY) and len(name) > len(_PROPERTY):
            properties[name[len(_PROPERTY) :]] = value
    return properties


def _property(properties: Mapping[str, str], name: str) -> str | None:
    return next((value for key, value in properties.items() if key.lower() == name), None)


def _user_and_session(user: str | None) -> tuple[str | None, str | None]:
    """Take Claude Code's user id apart, which is JSON with the device, the account and the session in it."""
    if not user or not user.startswith("{"):
        return user, None
    parts = jsontext.parse_or_none(user)
    if not isinstance(parts, dict):
        return user, None
    name = parts.get("account_uuid") or parts.get("device_id")
    session = parts.get("session_id")
    return (name if isinstance(name, str) else user), (
        session if isinstance(session, str) else None
    )


def _request_id(exchange: Exchange, value: str | None, notes: list[str]) -> str | None:
    own = request_id(value)
    if value is not None and own is None:
        notes.append(f"Helicone-Request-Id {value[:50]!r} is not a UUID and was replaced")
    return own or exchange.request_id


def _is_true(headers: Mapping[str, str], name: str, notes: list[str]) -> bool:
    value = headers.get(name)
    if value not in (None, "true", "false"):
        notes.append(
            f"{name} {value[:20]!r} has no effect: only true has one"
            if value
            else f"{name} is empty"
        )
    return value == "true"
