"""Moderation: text or images in, scores out; without usage at OpenAI, with it at Mistral."""

from __future__ import annotations

import re

from llmitm.providers.base import Route
from llmitm.providers.openai_base import OpenAIDialect


class OpenAIModerations(OpenAIDialect):
    """`POST .../moderations`, and Mistral's for whole conversations."""

    name = "openai_moderations"
    routes = (Route(re.compile(r"/(?:chat/)?(?:moderations|classifications)/?$"), "moderation"),)


DIALECT = OpenAIModerations()
