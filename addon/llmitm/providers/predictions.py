"""What hosts of many models have in common: the model's name alone tells what is asked of it."""

from __future__ import annotations

import re

from llmitm.calls import Operation

_KINDS: tuple[tuple[Operation, str], ...] = (
    ("transcription", r"whisper|wizper|transcri|speech-to-text|parakeet|\bstt\b|scribe"),
    ("speech", r"text-to-speech|\btts\b|speech|kokoro|chatterbox|voice|music|audio|sound|bark\b"),
    (
        "video",
        r"video|\bveo|kling|hailuo|seedance|\bwan\b|wan-[0-9v]|pixverse|\bltx|\bsora|luma/ray"
        r"|runway|gen-?[34]|hunyuan-v|[it]2v",
    ),
    (
        "image",
        r"image|flux|diffusion|sdxl|\bsd3|imagen|ideogram|recraft|seedream|photon|banana|lora"
        r"|upscal|esrgan|-to-image|playground|aura-flow|face|rembg|background",
    ),
    ("embedding", r"embed|\bclip\b|\bbge|\bgte\b"),
    (
        "chat",
        r"llama|\bgpt|claude|gemini|gemma|deepseek|mistral|mixtral|qwen|\bchat\b|instruct|granite",
    ),
)
_PATTERNS = tuple((operation, re.compile(pattern, re.I)) for operation, pattern in _KINDS)


def operation(model: str) -> Operation:
    """Return what a model does, as far as its name says; "other" where it does not."""
    return next((kind for kind, pattern in _PATTERNS if pattern.search(model)), "other")
