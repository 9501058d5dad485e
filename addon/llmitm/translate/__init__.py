"""A client that speaks one dialect is answered by a provider that speaks another: pure, bytes in, bytes out.

Each dialect is translated to and from one common form, never to another dialect directly: `clients/` reads requests
and writes answers, `providers/` writes requests and reads answers.
"""

from llmitm.translate.response import ResponseTranslator
from llmitm.translate.sides import Untranslatable
from llmitm.translate.translation import Translated, Translation, between

__all__ = ["ResponseTranslator", "Translated", "Translation", "Untranslatable", "between"]
