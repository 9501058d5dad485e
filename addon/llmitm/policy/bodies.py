"""Which request bodies are held until they are whole, which pass as they come, and how much of a body is kept.

What may have to be changed or answered without the provider has to be whole first: that is JSON, of the size of
prompts. Recordings, files and forms are never changed, and waiting for them would cost memory and time.
"""

from __future__ import annotations

from llmitm.calls import Endpoint

LONGEST_HELD = 32 * 1024 * 1024
"""Bytes of JSON up to which it is held. Anthropic takes no more: https://docs.claude.com/en/api/errors."""
_SMALL = 1024 * 1024
"""Bytes of anything else up to which it is held."""
_KEPT_START = 1024 * 1024
_KEPT_RECORDING = 32 * 1024 * 1024
"""What is kept of a recording, whose length may have to be measured: more than the 25 MB that OpenAI takes.
https://platform.openai.com/docs/guides/speech-to-text
"""
_RECORDINGS = ("transcription", "speech")
_KEPT_MEDIA = 1024 * 1024
"""Bytes of an answer that is sound, picture or film: nothing is read of it but its size."""
_MEDIA = ("audio/", "video/", "image/")


def passes_at_once(
    endpoint: Endpoint, content_type: str, length: int | None, *, may_be_acted_on: bool = False
) -> bool:
    """Tell whether a request passes as it comes; `length` is None where it is not told before.

    What `may_be_acted_on` (answered from the cache, sent again) has to be whole, whatever it is.
    """
    if endpoint.operation == "file":
        return True
    if may_be_acted_on or _may_be_changed(content_type.lower()):
        return length is not None and length > LONGEST_HELD
    return length is None or length > _SMALL


def _may_be_changed(content_type: str) -> bool:
    return not content_type or "json" in content_type or content_type.startswith("text/")


def kept_of_request(endpoint: Endpoint) -> int:
    """Return how many bytes are kept of a request that passes as it comes."""
    return _KEPT_RECORDING if endpoint.operation in _RECORDINGS else _KEPT_START


def kept_of_response(content_type: str, otherwise: int) -> int:
    """Return how many bytes are kept of a response."""
    return _KEPT_MEDIA if is_media(content_type) else otherwise


def is_media(content_type: str) -> bool:
    """Tell whether an answer is sound, picture or film, which has no lines and no fields."""
    return content_type.lower().startswith(_MEDIA)
