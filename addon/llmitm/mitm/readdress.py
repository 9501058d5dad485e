"""Send a request elsewhere than its client did: another host, path, model, key or dialect.

Whatever is done begins with the request as the client sent it, so that it can be done again for another provider.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from mitmproxy import http

from llmitm.calls import Json
from llmitm.keys import is_placeholder, key_header, keys_sent
from llmitm.mitm import heads
from llmitm.mitm.refusals import Refused
from llmitm.mitm.router import Router
from llmitm.mitm.translating import forget, translate
from llmitm.policy.routing import Route
from llmitm.providers.base import request_document
from llmitm.providers.hosts import Origin, ProviderEntry
from llmitm.translate import Untranslatable
from llmitm.wire import jsontext

_ORIGINAL = "llmitm_original"
_KEY_HEADERS = ("authorization", "x-api-key", "api-key", "x-goog-api-key")
_OF_ONE_PROVIDER = ("openai-", "anthropic-", "x-goog-", "cookie")
_MODEL_FIELD = re.compile(
    rb'^content-disposition:[^\r\n]*\bname="?model"?[^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n', re.I | re.M
)
_PARSED_HERE = 256 * 1024
_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Original:
    """A request as the client sent it, but for our control headers."""

    scheme: str
    host: str
    port: int
    path: str
    headers: http.Headers
    body: bytes
    dialect: str | None
    """What the client speaks."""
    is_for_gateway: bool = False
    """Whether it was sent to the gateway, not to a provider."""

    @property
    def is_signed(self) -> bool:
        """Whether nothing of it may be changed (AWS SigV4)."""
        return heads.is_signed(self.headers)

    @property
    def keys(self) -> Sequence[str]:
        """The API keys that the client sent."""
        return keys_sent(list(self.headers.items(multi=True)))

    async def document(self) -> Json:
        """Return the body, parsed; None where it is neither JSON nor a form."""
        return await document_of(self.body, self.headers)


async def document_of(body: bytes, headers: http.Headers) -> Json:
    """Return a body, parsed; None where it is neither JSON nor a form."""
    fields = list(headers.items(multi=True))
    if len(body) <= _PARSED_HERE:
        return request_document(body, fields)
    return await asyncio.to_thread(request_document, body, fields)


def keep_original(
    flow: http.HTTPFlow, dialect: str | None, body: bytes, gateway_path: str | None = None
) -> Original:
    """Return the request as the client sent it, which is kept with the flow from the first time on.

    `gateway_path` is what was asked for at the gateway, whatever tags or lack of a `/v1` there was in the address.
    """
    original: Original | None = flow.metadata.get(_ORIGINAL)
    if original is None:
        request = flow.request
        original = flow.metadata[_ORIGINAL] = Original(
            request.scheme,
            request.host,
            request.port,
            gateway_path or request.path,
            request.headers.copy(),
            body,
            dialect,
            gateway_path is not None,
        )
    return original


def drop_original(flow: http.HTTPFlow) -> None:
    """Let the request as it is now be what the client sent."""
    flow.metadata.pop(_ORIGINAL, None)


def restore(request: http.Request, original: Original) -> None:
    """Make a request what it was."""
    request.headers = original.headers.copy()
    set_body(request, original.body)
    go_to(request, Origin(original.scheme, original.host, original.port, ""), original.path)


def go_to(request: http.Request, origin: Origin, path: str) -> None:
    """Set host and path."""
    request.scheme, request.host, request.port = origin.scheme, origin.host, origin.port
    request.path = path
    is_default = _PORTS.get(origin.scheme) == origin.port
    request.host_header = origin.host if is_default else f"{origin.host}:{origin.port}"


def below(base: str, path: str) -> str:
    """Return a path below one that the client gives as part of the origin, and perhaps in the path as well."""
    if path.startswith(f"{base}/"):
        return path
    return base + (path.removeprefix("/v1") if base.endswith("/v1") else path)


def give_key(request: http.Request, entry: ProviderEntry, dialect: str | None, key: str) -> None:
    """Put a key where a provider looks for it, and no other beside it."""
    for name in _KEY_HEADERS:
        request.headers.pop(name, None)
    name, value = key_header(entry, dialect, key)
    request.headers[name] = value


def refuse_web_pages(router: Router, headers: http.Headers) -> None:
    """Let no web page spend with our keys: a browser lets any of them send requests to this machine.

    Raises `Refused` unless the page is one of this machine's, or of an origin that the settings name. What is no browser sends no
    `Origin`, and programs that are made like browsers have a scheme of their own.
    """
    origin: str | None = headers.get("origin")
    if origin is None or origin in router.origins:
        return
    parts = urlsplit(origin)
    if origin != "null" and (parts.scheme not in _PORTS or is_of_this_machine(parts.hostname)):
        return
    raise Refused(
        "permission_error",
        f"web pages of {origin[:100]} may not use the keys that are kept here; "
        f"[gateway] origins in llmitm's settings allows it",
    )


def is_of_this_machine(host: str | None) -> bool:
    """Tell whether a name or an address is the loopback's."""
    if host is None or host == "localhost" or host.endswith(".localhost"):
        return host is not None
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def lend_key(
    router: Router, flow: http.HTTPFlow, entry: ProviderEntry, *, is_needed: bool = False
) -> None:
    """Put a provider's key into a call whose app gives none of any provider's.

    Raises `Refused` where there is none here either, and the provider would get none that is one.
    """
    request = flow.request
    sent = keys_sent(list(request.headers.items(multi=True)))
    if not all(map(is_placeholder, sent)) or "key=" in request.path.partition("?")[2]:
        return
    endpoint = router.hosts.endpoint(entry, request.method, request.path)
    if key := router.keys.configured(entry):
        refuse_web_pages(router, request.headers)
        give_key(request, entry, endpoint.dialect if endpoint else None, key)
    elif is_needed and router.keys.are_needed(entry):
        raise Refused("authentication_error", router.keys.how_to_give(entry))


def send_by_route(
    flow: http.HTTPFlow,
    original: Original,
    route: Route,
    path: str,
    document: Json,
    changes: Mapping[str, Json] | None = None,
) -> Sequence[str]:
    """Send a request to where a route leads; `path` begins with `/v1`. Return what was lost in translation.

    Raises `translating.Untranslatable` where its dialect cannot be put into the other one.
    """
    request = flow.request
    restore(request, original)
    assert original.dialect is not None
    wanted = {**document, **(changes or {})} if isinstance(document, dict) else document
    if route.dialect != original.dialect:
        asked = wanted.get("model") if isinstance(wanted, dict) else None
        done = translate(flow, original.dialect, route, wanted, str(asked or route.model))
        drop_headers_of_others(request, route.entry, route.dialect)
        request.headers.update(dict(done.headers))
        set_body(request, done.body)
        go_to(request, route.origin, route.path(done.path))
        return done.notes
    forget(flow)
    if isinstance(wanted, dict) and _is_json(request):
        set_keys(request, document, {**(changes or {}), "model": route.model})
    elif isinstance(wanted, dict) and document.get("model") != route.model:
        set_body(request, _form_with_model(original.body, route.model))
    if route.origin.host != original.host:
        drop_headers_of_others(request, route.entry, route.dialect)
    go_to(request, route.origin, route.path(path))
    return ()


def set_keys(
    request: http.Request, document: Mapping[str, Json], changes: Mapping[str, Json]
) -> None:
    """Set keys of a body of JSON; it stays as it is, byte for byte, where nothing changes."""
    if all(name in document and document[name] == value for name, value in changes.items()):
        return
    set_body(request, jsontext.compact({**document, **changes}).encode("utf-8", "surrogatepass"))


def _form_with_model(body: bytes, model: str) -> bytes:
    """Return a form with another model. Raises `Untranslatable` where it names none in a way that is known."""
    match = _MODEL_FIELD.search(body)
    if match is None:
        raise Untranslatable("the model's name cannot be found in the form")
    return body[: match.end()] + model.encode() + body[body.index(b"\r\n", match.end()) :]


def _is_json(request: http.Request) -> bool:
    kind: str = request.headers.get("content-type", "json")
    return "json" in kind.lower() or kind.startswith("text/")


def set_body(request: http.Request, body: bytes) -> None:
    """Set a body, unless it is that already."""
    if request.raw_content == body:
        return
    request.headers.pop("content-encoding", None)
    request.raw_content = body
    if "transfer-encoding" not in request.headers:
        request.headers["content-length"] = str(len(body))


def drop_headers_of_others(
    request: http.Request, entry: ProviderEntry, dialect: str | None
) -> None:
    """Take off what was meant for the provider that the client had in mind."""
    kept = (entry.name, (dialect or "").partition("_")[0].replace("openai", ""))
    for name in [*request.headers]:
        lowered = name.lower()
        if lowered.startswith(_OF_ONE_PROVIDER) and lowered.partition("-")[0] not in kept:
            del request.headers[name]
