"""Errors as providers phrase them: read in any of the known shapes, written in OpenAI's.

The type is what the provider itself calls it and nothing else: `error.type`, else `error.status`, else
`error.code`, so that it can be looked up in that provider's documentation. A number is only taken, as text, where no
word is there: Azure has `status: 400` beside `code: content_filter`.
"""

from __future__ import annotations

from typing import NamedTuple

from llmitm.calls import Json
from llmitm.providers.fields import filled, first, items, mapping

_FAILED = 400
_MESSAGES = ("message", "Message", "detail", "title", "msg")


class ErrorBody(NamedTuple):
    """What an error body says; both are None where there is no error."""

    type: str | None = None
    message: str | None = None


def read(document: Json, status: int) -> ErrorBody:
    """Return the error of a response, also of one that came with status 200."""
    # Google puts an array around the error where the call was to stream one.
    body = first(document) if isinstance(document, list) else mapping(document)
    error = body.get("error")
    if isinstance(error, dict) and error:
        return ErrorBody(_type(error), _message(error))
    if filled(error):
        # xAI names the code beside the text, Hugging Face the type.
        return ErrorBody(filled(body.get("error_type")) or _type(body), filled(error))
    if status >= _FAILED:
        if faults := [filled(fault) for fault in items(error)]:
            # Hugging Face's pipelines list what is wrong with the inputs.
            return ErrorBody(_type(body), "; ".join(fault for fault in faults if fault) or None)
        # watsonx has a list under `errors`.
        told = first(body.get("errors")) or body
        return ErrorBody(_type(told), _message(told))
    return ErrorBody()


def openai(error_type: str, message: str) -> Json:
    """Return an error body in OpenAI's shape."""
    return {"error": {"message": message, "type": error_type, "param": None, "code": error_type}}


def _type(error: dict[str, Json]) -> str | None:
    values = [error.get(name) for name in ("type", "status", "code", "error_type")]
    words = (value for value in values if isinstance(value, str) and value)
    numbers = (str(value) for value in values if type(value) is int)
    return next(words, None) or next(numbers, None)


def _message(error: dict[str, Json]) -> str | None:
    for name in _MESSAGES:
        value = error.get(name)
        if isinstance(value, dict | list):
            # FastAPI's list of faults: [{"loc", "msg", "type"}].
            found = [_message(mapping(fault)) or filled(fault) for fault in items(value) or [value]]
            value = "; ".join(message for message in found if message)
        if isinstance(value, str) and value:
            return value
    return None
