"""OpenAI's custom tools, whose input is a text: offered elsewhere as a function with one argument."""

from __future__ import annotations

from llmitm.calls import Json
from llmitm.providers.fields import filled, mapping, text
from llmitm.translate.chat import Tool
from llmitm.wire import jsontext
from llmitm.wire.jsontext import compact

_ARGUMENT = "input"


def as_function(name: str, tool: dict[str, Json]) -> Tool:
    """Return a custom tool as a function; its grammar, which nobody else enforces, is told in words."""
    described = text(tool.get("description")) or ""
    form = mapping(tool.get("format"))
    grammar = mapping(form.get("grammar")) or form
    if definition := filled(grammar.get("definition")):
        syntax = filled(grammar.get("syntax")) or "given"
        described += f"\n\n`{_ARGUMENT}` must follow this {syntax} grammar:\n{definition}"
    argument = {"type": "string", "description": "The whole input of the tool, as plain text."}
    schema = {
        "type": "object",
        "properties": {_ARGUMENT: argument},
        "required": [_ARGUMENT],
        "additionalProperties": False,
    }
    return Tool(name, described.strip() or None, schema)


def as_arguments(written: str) -> str:
    """Return the input of a custom tool as the arguments of that function."""
    return compact({_ARGUMENT: written})


def as_input(arguments: str) -> str:
    """Return the arguments of that function as the input of the custom tool; as they are where they are not of it."""
    parsed = jsontext.parse_or_none(arguments)
    written = mapping(parsed).get(_ARGUMENT)
    return written if isinstance(written, str) else arguments
