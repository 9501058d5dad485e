"""Pictures and documents: data URIs read and written, and what each side calls them."""

from __future__ import annotations

import re

from llmitm.translate.chat import Media
from llmitm.translate.sides import Untranslatable

_DATA_URI = re.compile(r"data:(?P<type>[^;,]*)(?:;[^;,]*)*?;base64,(?P<data>.*)", re.S)


def image(url: str, detail: str | None = None) -> Media:
    """Return the picture at a URL, or in it."""
    if match := _DATA_URI.fullmatch(url):
        return Media("image", match["type"] or "image/png", match["data"], detail=detail)
    if url.startswith("data:"):
        raise Untranslatable("an image in a data URI that is not base64")
    return Media("image", url=url, detail=detail)


def document(data: str, name: str | None) -> Media:
    """Return a file whose bytes are given as base64, in a data URI or bare."""
    if match := _DATA_URI.fullmatch(data):
        return Media("document", match["type"] or "application/pdf", match["data"], name=name)
    return Media("document", "application/pdf", data, name=name)


def data_uri(media: Media) -> str:
    """Return where the bytes are: the URL, or a data URI that holds them."""
    if media.url is not None:
        return media.url
    return f"data:{media.media_type};base64,{media.data}"
