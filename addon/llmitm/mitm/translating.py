"""Calls whose client and provider speak different dialects: translated on the way there and on the way back.

The tap on the response stands before the translation, so the log has what the provider sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mitmproxy import http

from llmitm.calls import Json
from llmitm.mitm.flights import PACING
from llmitm.mitm.guard import guarded, note_fault
from llmitm.policy.routing import Route
from llmitm.translate import ResponseTranslator, Translated, Translation, Untranslatable, between
from llmitm.wire.encodings import ContentDecoder

_TRANSLATED = "llmitm_translated"
_KEPT_HEADERS = (
    "helicone-",
    "x-ratelimit-",
    "anthropic-ratelimit-",
    "retry-after",
    "x-request-id",
    "x-should-retry",
    "x-llmitm-",
)
"""What of the provider's and our own headers a client can read whatever it speaks."""

type _Tap = Callable[[bytes], Iterable[bytes] | bytes]


@dataclass(frozen=True, slots=True)
class _OnItsWay:
    translation: Translation
    streaming: bool
    model: str


def translate(
    flow: http.HTTPFlow, client: str, route: Route, document: Json, asked: str
) -> Translated:
    """Return a request in the dialect of the provider; its answer will be translated back.

    `asked` is the model as the client named it. Raises `Untranslatable`.
    """
    translation = between(client, route.dialect)
    if translation is None:
        raise Untranslatable(f"there is no translation from {client} to {route.dialect}")
    done = translation.request(document, model=route.model)
    flow.metadata[_TRANSLATED] = _OnItsWay(translation, done.streaming, asked)
    # What is compressed could not be translated as it comes.
    flow.request.headers["accept-encoding"] = "identity"
    return done


def forget(flow: http.HTTPFlow) -> None:
    """Let the answer pass as it is."""
    flow.metadata.pop(_TRANSLATED, None)


class Translating:
    """Translate answers. Comes after the tap in the chain."""

    @guarded
    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Put the translation behind the tap."""
        on_its_way: _OnItsWay | None = flow.metadata.get(_TRANSLATED)
        response = flow.response
        if on_its_way is None or response is None:
            return
        headers = list(response.headers.items(multi=True))
        translator = on_its_way.translation.response(
            response.status_code, headers, streaming=on_its_way.streaming, model=on_its_way.model
        )
        encoding: str | None = response.headers.get("content-encoding")
        kept = [(name, value) for name, value in headers if name.lower().startswith(_KEPT_HEADERS)]
        is_ours = response.raw_content is not None
        response.headers.clear()
        for name, value in (*kept, *translator.headers()):
            response.headers[name] = value
        if is_ours:
            _translate_whole(flow, response, _Translator(_untouched, translator, encoding))
        else:
            tap = response.stream if callable(response.stream) else _untouched
            response.stream = _Translator(tap, translator, encoding)
            if response.is_http11:
                response.headers["transfer-encoding"] = "chunked"
        response.status_code = translator.status


def _translate_whole(flow: http.HTTPFlow, response: http.Response, through: _Translator) -> None:
    """Translate an answer of our own, to which mitmproxy applies no stream: the cache's, or a refusal."""
    pacing = flow.metadata.pop(PACING, None)
    pieces = pacing or [(response.raw_content or b"", 0.0)]
    written = [(b"".join(_pieces(through(data))), wait) for data, wait in pieces if data]
    written.append((b"".join(_pieces(through(b""))), 0.0))
    response.raw_content = b"".join(data for data, _ in written)
    response.headers["content-length"] = str(len(response.raw_content))
    if pacing is not None:
        flow.metadata[PACING] = written


def _untouched(data: bytes) -> bytes:
    return data


def _pieces(data: Iterable[bytes] | bytes) -> Iterable[bytes]:
    return (data,) if isinstance(data, bytes) else data


class _Translator:
    """Pass what a tap lets through in another dialect; never raise."""

    __slots__ = ("_decoder", "_tap", "_translator")

    def __init__(self, tap: _Tap, translator: ResponseTranslator, encoding: str | None) -> None:
        self._tap = tap
        self._translator = translator
        self._decoder = ContentDecoder(encoding) if encoding else None

    def __call__(self, data: bytes) -> bytes | tuple[()]:
        """Take a chunk, return what the client gets; `b""` is the end of the body."""
        passed = self._tap(data)
        try:
            passed = passed if isinstance(passed, bytes) else b"".join(passed)
            if passed and self._decoder is not None:
                passed = self._decoder.feed(passed)
            out = self._translator.feed(passed) if passed else b""
            if not data:
                out += self._translator.flush()
        except Exception:
            note_fault("Translating")
            return ()
        # An empty chunk would be the end of a chunked body; no chunk is none.
        return out or ()
