"""Images: generated, edited and varied; whole or as a stream of ever better previews."""

from __future__ import annotations

import re
from dataclasses import replace

from llmitm.calls import Answer, Endpoint, Json
from llmitm.providers.base import Assembler, Head, Route
from llmitm.providers.openai_base import OpenAIDialect

_WORKFLOW = r"/(?:workflows|image_generation)/(?P<model>accounts/[^/]+/models/[^/]+)"
_IMAGE = ("b64_json", "url", "revised_prompt")


class OpenAIImages(OpenAIDialect):
    """`POST .../images/{generations,edits,variations}`; edits come as a form."""

    name = "openai_images"
    routes = (
        Route(
            re.compile(r"/deployments/(?P<model>[^/]+)/images/(?:generations|edits)/?$"), "image"
        ),
        # Fireworks runs a workflow, which is fetched where it takes long.
        Route(re.compile(rf"{_WORKFLOW}/get_result$"), "image", counted=False),
        Route(re.compile(rf"{_WORKFLOW}(?:/\w+_to_image|/control_net)?/?$"), "image"),
        # OpenRouter has /images, Venice /image/generate.
        Route(re.compile(r"/images?(?:/(?:generat(?:e|ions?)|edits?|variations))?/?$"), "image"),
    )

    def assembler(self, endpoint: Endpoint) -> Assembler:
        """Return an assembler of events."""
        return ImageAssembler()

    def answer(self, document: Json, head: Head) -> Answer:
        """Read a response."""
        answer = super().answer(document, head)
        usage = answer.usage
        if usage.output_tokens is not None and usage.output_image_tokens is None:
            # gpt-image-1 does not split its output, which is all image.
            answer.usage = replace(usage, output_image_tokens=usage.output_tokens)
        return answer


class ImageAssembler(Assembler):
    """Collect the images that were completed; of one that was not, the last preview."""

    def __init__(self) -> None:
        self._document: dict[str, Json] = {}
        self._images: list[Json] = []
        self._previews: dict[str, Json] = {}

    def add(self, payload: Json, event: str | None) -> bool:
        """Take one event; return whether it carried an image."""
        if not isinstance(payload, dict):
            return False
        kind = str(payload.get("type") or event)
        image = {key: payload[key] for key in _IMAGE if payload.get(key) is not None}
        if kind.endswith("partial_image"):
            self._previews = image
        elif image:
            self._images.append(image)
        for key, value in payload.items():
            if key not in _IMAGE and key not in ("type", "partial_image_index"):
                self._document[key] = value
        return bool(image)

    def document(self) -> Json:
        """Return the images in the unstreamed form."""
        if not self._document and not self._images and not self._previews:
            return None
        images = self._images or ([self._previews] if self._previews else [])
        return {**self._document, "data": images} if images else dict(self._document)


DIALECT = OpenAIImages()
