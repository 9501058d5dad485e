"""What is charged beside the tokens that a usage tells: pictures, seconds, characters, searches.

Images, speech, videos and reranks mostly report no usage: the request carries the quantity, and what the price
depends on (quality, size, resolution). Units and attributes are those of the price library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from llmitm.basis import Quantity
from llmitm.calls import Answer, Endpoint, Exchange, Prompt, header
from llmitm.measures import options, pictures, searches, sounds
from llmitm.measures.options import Options, number

__all__ = ["Measures", "measure"]

_TOLD = {"character-cost": "credit", "x-fal-billable-units": "billable_unit"}
"""Headers in which ElevenLabs and fal say themselves what they charge for, by the unit, which is their own."""


@dataclass(frozen=True, slots=True)
class Measures:
    """Quantities by their unit in the price table, and the attributes that a price may depend on."""

    quantities: Mapping[str, Quantity]
    attributes: Mapping[str, str]


def measure(endpoint: Endpoint, exchange: Exchange, prompt: Prompt, answer: Answer) -> Measures:
    """Return what a call is charged for that its usage does not tell."""
    asked, answered = options.asked(exchange, prompt, answer), options.answered(answer)
    quantities = {"request": 1, **_measured(endpoint, exchange, answer, asked, answered)}
    for name, unit in _TOLD.items():
        if (count := number(header(exchange.response_headers, name))) is not None:
            quantities[unit] = count
    attributes = options.attributes(asked, answered)
    if "size" not in attributes and (size := pictures.dimensions(asked)):
        attributes["size"] = f"{size[0]}x{size[1]}"
    return Measures(quantities, attributes)


def _measured(
    endpoint: Endpoint, exchange: Exchange, answer: Answer, asked: Options, answered: Options
) -> dict[str, Quantity]:
    match endpoint.operation:
        case "image":
            return pictures.images(asked, answered)
        case "speech":
            return sounds.speech(asked, answered, exchange)
        case "transcription":
            return sounds.transcription(asked, answered, endpoint, exchange, answer)
        case "video":
            return pictures.videos(asked, answered, endpoint)
        case "rerank":
            return {"search_unit": searches.count(asked)}
        case "realtime":
            seconds = exchange.turn.connected_seconds if exchange.turn else None
            return {} if seconds is None else {"audio_second": seconds}
        case "embedding":
            # Vertex AI's older models are charged by the character.
            count = number(answered.get("billableCharacterCount"))
            return {} if count is None else {"character": count}
        case _:
            return {}
