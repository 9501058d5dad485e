"""Who made a call and what it belongs to: control headers, tags of the run, what the body, the client and the system say.

Names and meanings are those of docs/headers.md. A bad value never breaks a call: it has no effect and leaves a note.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl

from llmitm.calls import Exchange, Identity, Prompt
from llmitm.policy.control import request_id, without_helicone_key
from llmitm.wire import jsontext

_PROPERTY = "helicone-property-"
_KEY_HEADERS = frozenset({"authorization", "x-api-key", "api-key", "x-goog-api-key", "xi-api-key"})
"""Headers that hold a provider's key."""
_GATEWAY_KEY_HEADERS = frozenset(
    {"cf-aig-authorization", "ocp-apim-subscription-key", "x-auth-token"}
)
"""Headers that hold the key of a gateway in front of a provider."""
_SECRET_HEADERS = frozenset(
    {
        *_KEY_HEADERS,
        *_GATEWAY_KEY_HEADERS,
        "cookie",
        "helicone-auth",
        "proxy-authorization",
        "x-amz-security-token",
    }
)
_SEPARATORS = re.compile("[,;]")
"""Between the keys of a list, the fields of AWS's signature, the cookies."""
_KEY_PARAMETERS = frozenset(
    {
        "key",
        "api_key",
        "api-key",
        "apikey",
        "access_token",
        "subscription-key",
        # ElevenLabs's and Deepgram's sockets
        "authorization",
        "xi-api-key",
        "single_use_token",
        "token",
    }
)
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
_KNOWN_TAGS = frozenset({"run_id", "user", "session", "session_name", "session_path"})
_FREE_TEXTS = (
    "user",
    "session_id",
    "session_name",
    "session_path",
    "prompt_id",
    "client",
    "model_override",
)
_LONGEST_CLIENT = 100


def identify(
    exchange: Exchange, prompt: Prompt, caller: Mapping[str, str] = MappingProxyType({})
) -> Identity:
    """Return the identity of a call; `caller` are the properties of the process that made it."""
    headers = {name.lower(): value for name, value in exchange.request_headers}
    tags = dict(exchange.tags)
    properties = _properties(exchange, tags, caller)
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


def texts(identity: Identity) -> Iterator[str]:
    """Return what a person or program may have written anything into."""
    yield from (text for name in _FREE_TEXTS if (text := getattr(identity, name)))
    yield from identity.notes
    for name, value in identity.properties.items():
        yield from (name, value)


def changed(identity: Identity, change: Callable[[str], str]) -> Identity:
    """Return an identity with each of its `texts` changed."""
    fields: dict[str, Any] = {
        name: change(text) for name in _FREE_TEXTS if (text := getattr(identity, name))
    }
    properties = {change(name): change(value) for name, value in identity.properties.items()}
    return replace(identity, properties=properties, notes=[*map(change, identity.notes)], **fields)


def client_retry(exchange: Exchange) -> int | None:
    """Return which retry of its own the client's SDK says this is; 0 is the first try."""
    headers = {name.lower(): value for name, value in exchange.request_headers}
    count = headers.get("x-stainless-retry-count", "")
    if count.isdecimal() and count.isascii():
        return int(count)
    for field in headers.get("amz-sdk-request", "").split(";"):
        name, _, value = field.strip().partition("=")
        if name == "attempt" and value.isdecimal() and value.isascii():
            return max(0, int(value) - 1)
    return None


def credentials(exchange: Exchange) -> Sequence[str]:
    """Return the secrets that a call carries, to be struck out wherever they turn up again."""
    found: list[str] = []
    for name, value in exchange.request_headers:
        if name.lower() in _SECRET_HEADERS:
            found.append(_without_scheme(value))
            for part in _SEPARATORS.split(value):
                found += (_without_scheme(part), part.partition("=")[2])
    return [*dict.fromkeys(filter(None, (*found, *_key_parameters(exchange))))]


def _without_scheme(value: str) -> str:
    """Return what stands after `Bearer`, `Basic` and the like."""
    value = value.strip()
    return value.partition(" ")[2].strip() or value


def _key_parameters(exchange: Exchange) -> Sequence[str]:
    query = exchange.path.partition("?")[2]
    if not query:
        return ()
    return [value for name, value in parse_qsl(query) if name.lower() in _KEY_PARAMETERS]


def provider_keys(exchange: Exchange) -> Sequence[str]:
    """Return the keys that a call carries, each in the part of it that stays the same from call to call."""
    headers = exchange.request_headers
    values = [value for name, value in headers if name.lower() in _KEY_HEADERS]
    gateway = [value for name, value in headers if name.lower() in _GATEWAY_KEY_HEADERS]
    kept = map(without_helicone_key, (*values, *_key_parameters(exchange), *gateway))
    return [key for value in kept if value and (key := _key(value))]


def is_key_parameter(name: str) -> bool:
    """Tell whether a parameter of a query holds a provider's key."""
    return name.lower() in _KEY_PARAMETERS


def is_secret_header(name: str) -> bool:
    """Tell whether a header holds a key or a cookie."""
    return name.lower() in _SECRET_HEADERS


def _fingerprint(exchange: Exchange) -> str | None:
    """Return a short hash of the provider's key: enough to tell keys apart, not to find them."""
    for key in provider_keys(exchange):
        return hashlib.blake2b(
            key.encode("utf-8", "surrogatepass"), digest_size=6, person=b"llmitm key"
        ).hexdigest()
    return None


def _key(value: str) -> str:
    """Return the part of a credential that stays the same: AWS signs each call anew, with one access key."""
    if value.startswith("AWS4-"):
        return value.partition("Credential=")[2].partition("/")[0]
    return _without_scheme(value)


def _properties(
    exchange: Exchange, tags: Mapping[str, str], caller: Mapping[str, str]
) -> dict[str, str]:
    """Return tags and properties, those of a later header before earlier ones; the first spelling of a name stays.

    What the client says itself goes before what was found out about it.
    """
    properties = dict(caller)
    spellings = {name.lower(): name for name in properties}
    for name, value in tags.items():
        if name not in _KNOWN_TAGS:
            properties[spellings.setdefault(name.lower(), name)] = value
    for name, value in exchange.request_headers:
        if name.lower().startswith(_PROPERTY) and len(name) > len(_PROPERTY):
            name = name[len(_PROPERTY) :]
            properties[spellings.setdefault(name.lower(), name)] = value
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
