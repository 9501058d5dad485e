"""Speech and recordings: the characters that are spoken, the seconds that are heard."""

from __future__ import annotations

from math import ceil

from llmitm.basis import Quantity
from llmitm.calls import Answer, Endpoint, Exchange, header
from llmitm.measures.options import Options, first_number, number
from llmitm.providers.fields import filled, flag, items, mapping
from llmitm.wire import media, multipart
from llmitm.wire.encodings import decode

_AUDIO_LENGTHS = ("duration", "audio_duration", "audio_duration_secs", "audio_duration_seconds")
_SPOKEN = ("input", "text", "ssml", "markup", "prompt")
_WHOLE_SECONDS = frozenset({"openai", "azure"})
"""Who counts a second that has begun: 8.47 seconds are a usage of 9.
https://platform.openai.com/docs/api-reference/audio/verbose-json-object
"""


def speech(options: Options, answered: Options, exchange: Exchange) -> dict[str, Quantity]:
    """Count the characters that were spoken, and the seconds of sound that were asked for."""
    quantities: dict[str, Quantity] = {}
    # Deepgram and MiniMax say what they counted.
    told = (header(exchange.response_headers, "dg-char-count"), answered.get("usage_characters"))
    counted = first_number(told)
    if counted is None:
        counted = _characters(options)
    if counted is not None:
        quantities["character"] = counted
    elif (seconds := _recorded(exchange)) is not None:
        quantities["audio_second"] = seconds  # another voice for a recording
    length = number(options.get("duration_seconds"))
    thousandths = number(options.get("music_length_ms"))
    if length is not None:
        quantities["output_audio_second"] = length
    elif thousandths is not None:
        quantities["output_audio_second"] = thousandths / 1000
    return quantities


def _characters(options: Options) -> int | None:
    turns = [filled(mapping(turn).get("text")) for turn in items(options.get("inputs"))]
    words = [*filter(None, turns)]  # a dialogue
    if not words:
        words = [*filter(None, (filled(options.get(name)) for name in _SPOKEN))][:1]
    return sum(map(len, words)) if words else None


def transcription(
    options: Options, answered: Options, endpoint: Endpoint, exchange: Exchange, answer: Answer
) -> dict[str, Quantity]:
    """Return how long a recording is: as the answer says, else as its bytes do."""
    seconds = first_number(answered.get(name) for name in _AUDIO_LENGTHS)
    # A usage in tokens or seconds is what the call is charged by.
    if seconds is None and answer.usage.source == "none":
        seconds = _recorded(exchange)
    if seconds is None:
        return {}
    if flag(options.get("multichannel")) and "channels" in answered:
        # Deepgram charges for each channel: https://github.com/orgs/deepgram/discussions/932
        seconds *= number(answered.get("channels")) or 1
    return {"audio_second": ceil(seconds) if endpoint.provider in _WHOLE_SECONDS else seconds}


def _recorded(exchange: Exchange) -> float | None:
    """Return the length of the recording that a request is or has in its form, if all of it was kept."""
    kind = (header(exchange.request_headers, "content-type") or "").lower()
    if "multipart/form-data" in kind:
        whole = header(exchange.request_headers, "content-type") or ""
        lengths = map(
            media.seconds, multipart.files(exchange.request_body, whole, exchange.request_gaps)
        )
        return next(filter(None, lengths), None)
    if "json" in kind or exchange.request_truncated:
        return None
    return media.seconds(
        decode(exchange.request_body, header(exchange.request_headers, "content-encoding"))
    )
