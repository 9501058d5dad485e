"""What Helicone's own tool exports (`npx @helicone/export`), or its API gives: JSON lines, JSON or CSV.

With bodies the answer tells the usage, as it does in the proxy; without them Helicone's counts are taken.
https://github.com/Helicone/helicone/blob/main/examples/export/typescript/index.ts and
https://docs.helicone.ai/rest/request/post-v1requestquery-clickhouse (read 2026-11-26)
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import BinaryIO
from urllib.parse import urlsplit

from llmitm.calls import Exchange, Json
from llmitm.exchanges import Fault
from llmitm.imports.base import Told, exchange, lines, moment
from llmitm.providers.fields import filled, mapping
from llmitm.wire import jsontext

_HOSTS: Mapping[str, tuple[str, str]] = {
    "openai": ("api.openai.com", "/v1/chat/completions"),
    "anthropic": ("api.anthropic.com", "/v1/messages"),
    "together": ("api.together.xyz", "/v1/chat/completions"),
    "fireworks": ("api.fireworks.ai", "/inference/v1/chat/completions"),
    "perplexity": ("api.perplexity.ai", "/chat/completions"),
    "groq": ("api.groq.com", "/openai/v1/chat/completions"),
    "mistral": ("api.mistral.ai", "/v1/chat/completions"),
    "deepseek": ("api.deepseek.com", "/v1/chat/completions"),
    "openrouter": ("openrouter.ai", "/api/v1/chat/completions"),
    "deepinfra": ("api.deepinfra.com", "/v1/openai/chat/completions"),
    "x": ("api.x.ai", "/v1/chat/completions"),
    "xai": ("api.x.ai", "/v1/chat/completions"),
    "cerebras": ("api.cerebras.ai", "/v1/chat/completions"),
}
"""Where a provider's chat is, by Helicone's name of it."""
_FAMILIES = (
    ("claude", "anthropic"),
    ("mistral", "mistral"),
    ("deepseek", "deepseek"),
    ("grok", "x"),
)
"""Who makes a model, where the file does not tell who served it: CSV has no column for that."""
_OLDEST_LONGEST_FIELD = 1 << 27
_HELICONE = "helicone-"


def read(file: BinaryIO, name: str) -> Iterator[Exchange | Fault]:
    """Yield the calls of an export."""
    for item in _rows(file, name):
        if isinstance(item, Fault):
            yield item
            continue
        place, row = item
        yield _exchange(place, row)


def _rows(file: BinaryIO, name: str) -> Iterator[tuple[str, dict[str, Json]] | Fault]:
    start = file.read(64)
    file.seek(0)
    first = start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if first == b"[":
        yield from _array(file, name)
    elif first == b"{" or not first:
        yield from lines(file, name)
    else:
        yield from _csv(file, name)


def _array(file: BinaryIO, name: str) -> Iterator[tuple[str, dict[str, Json]] | Fault]:
    try:
        document = jsontext.parse(file.read())
    except ValueError as error:
        yield Fault(name, f"is no JSON: {error}")
        return
    for number, row in enumerate(document, 1):
        place = f"{name}: entry {number}"
        yield (place, row) if isinstance(row, dict) else Fault(place, "is no JSON object")


def _csv(file: BinaryIO, name: str) -> Iterator[tuple[str, dict[str, Json]] | Fault]:
    csv.field_size_limit(_OLDEST_LONGEST_FIELD)
    text = io.TextIOWrapper(file, "utf-8-sig", errors="replace", newline="")
    try:
        table = csv.DictReader(text)
        columns = table.fieldnames or ()
        if "request_created_at" not in columns:
            yield Fault(name, "has no column request_created_at: it is no export of Helicone's")
            return
        try:
            for number, row in enumerate(table, 1):
                values = {key: value for key, value in row.items() if key is not None and value}
                yield f"{name}: row {number}", values
        except csv.Error as error:
            yield Fault(name, f"is no CSV: {error}")
    finally:
        text.detach()


def _exchange(place: str, row: dict[str, Json]) -> Exchange | Fault:
    identity = filled(row.get("request_id")) or filled(row.get("response_id"))
    at = moment(row.get("request_created_at"))
    if identity is None:
        return Fault(place, "request_id is missing, and response_id as well")
    if at is None:
        return Fault(place, "request_created_at is missing, or no time in ISO 8601")
    request, response = _body(row.get("request_body")), _body(row.get("response_body"))
    model = _first(row, "model", "response_model", "request_model") or filled(
        mapping(request).get("model")
    )
    host, path = _place(row, model)
    headers = dict(_identity(row, identity))
    status = _number(row.get("response_status"))
    notes = [f"imported from an export of Helicone's, request {identity}"]
    cost = row.get("costUSD", row.get("cost"))
    if cost not in (None, ""):
        notes.append(f"Helicone's cost: {cost}")
    if not mapping(mapping(response).get("usage")):
        response, counted = _counted(row, mapping(response), model, path), True
    else:
        counted = False
    if counted:
        # What is made up for its counts is nothing that anybody said.
        headers["helicone-omit-response"] = "true"
    if request is None:
        request = {"model": model}
        headers["helicone-omit-request"] = "true"
    latency = row.get("delay_ms", row.get("latency"))
    told = Told(
        "helicone",
        identity,
        at,
        host,
        path,
        headers,
        status=int(status) if status is not None and 100 <= status <= 599 else 200,
        latency_ms=_number(latency),
        first_byte_ms=_number(row.get("time_to_first_token")),
        notes=tuple(notes),
    )
    return exchange(told, request, response)


def _identity(row: dict[str, Json], identity: str) -> Iterator[tuple[str, str]]:
    """Yield what the call carried as headers."""
    yield "helicone-request-id", identity
    if user := _first(row, "request_user_id", "user_id"):
        yield "helicone-user-id", user
    properties = mapping(_body(row.get("request_properties", row.get("properties"))))
    for name, value in properties.items():
        if value is None:
            continue
        text = value if isinstance(value, str) else jsontext.compact(value)
        # Helicone has sessions among the properties, under the names of their headers.
        is_own = name.lower().startswith(_HELICONE)
        yield (name if is_own else f"helicone-property-{name}"), text


def _place(row: dict[str, Json], model: str | None) -> tuple[str, str]:
    """Return host and path of who was asked."""
    provider = (filled(row.get("provider")) or "").lower()
    if not provider and model:
        plain = model.lower().rpartition("/")[2]
        provider = next((name for start, name in _FAMILIES if plain.startswith(start)), "")
    host, path = _HOSTS.get(provider, _HOSTS["openai"])
    target = _first(row, "target_url", "request_path")
    if target:
        try:
            parts = urlsplit(target)
        except ValueError:
            return host, path
        if parts.hostname and "helicone" not in parts.hostname and "hconeai" not in parts.hostname:
            host = parts.hostname
        path = parts.path or path
    return host, path


def _counted(row: dict[str, Json], response: dict[str, Json], model: str | None, path: str) -> Json:
    """Return an answer that has Helicone's counts, in the form that is read at its path."""
    given, generated = _count(row, "prompt_tokens"), _count(row, "completion_tokens")
    if given is None and generated is None:
        return response or None
    cached, written = (
        _count(row, name) or 0 for name in ("prompt_cache_read_tokens", "prompt_cache_write_tokens")
    )
    usage: dict[str, Json]
    if path.endswith("/messages"):
        usage = {
            "input_tokens": given or 0,
            "cache_read_input_tokens": cached,
            "cache_creation_input_tokens": written,
            "output_tokens": generated or 0,
        }
    elif path.endswith("/responses"):
        usage = {
            "input_tokens": given or 0,
            "input_tokens_details": {"cached_tokens": cached},
            "output_tokens": generated or 0,
        }
    else:
        usage = {
            "prompt_tokens": given or 0,
            "prompt_tokens_details": {"cached_tokens": cached},
            "completion_tokens": generated or 0,
        }
    return {**response, "model": model, "usage": usage}


def _body(value: Json) -> Json:
    """Return a body: an object, or JSON as text, in which the CSV of Helicone's tool doubles the quotes twice."""
    if not isinstance(value, str):
        return value or None
    for text in (value, value.replace('""', '"')):
        document = jsontext.parse_or_none(text.encode("utf-8", "surrogatepass"))
        if isinstance(document, dict | list):
            return document or None
    return None


def _first(row: dict[str, Json], *names: str) -> str | None:
    return next((text for name in names if (text := filled(row.get(name)))), None)


def _number(value: Json) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if 0 <= number < 1e12 else None


def _count(row: dict[str, Json], name: str) -> int | None:
    number = _number(row.get(name))
    return None if number is None else int(number)
