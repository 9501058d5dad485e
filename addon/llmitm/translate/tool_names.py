"""Names of tools: made to fit what every provider takes, and found again when the model calls one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256

_FITS = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_OTHER = re.compile(r"[^a-zA-Z0-9_-]")
_KEPT = 55


@dataclass(frozen=True, slots=True)
class ClientTool:
    """A tool as the client knows it."""

    name: str
    namespace: str | None = None
    """OpenAI's group of tools that it belongs to."""
    is_freeform: bool = False
    """True where its input is a text, not JSON: it is offered as a function with one argument."""


class ToolNames:
    """The tools of one call, by the names under which the provider knows them."""

    def __init__(self) -> None:
        self._tools: dict[str, ClientTool] = {}

    def offer(self, tool: ClientTool) -> str:
        """Take a tool, return its name at the provider."""
        name = outward(tool.name, tool.namespace)
        self._tools[name] = tool
        return name

    def client_tool(self, name: str) -> ClientTool:
        """Return the tool that a provider's name means; an unknown name means itself."""
        return self._tools.get(name) or ClientTool(name)


def outward(name: str, namespace: str | None = None) -> str:
    """Return a name as every provider takes it."""
    whole = f"{namespace}__{name}" if namespace else name
    if _FITS.fullmatch(whole):
        return whole
    digest = sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{_OTHER.sub('_', whole)[:_KEPT]}_{digest}"
