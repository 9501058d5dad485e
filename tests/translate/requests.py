"""Requests as clients send them, and what each provider's own SDK says of those that are written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote

import botocore.session
from anthropic.types import message_create_params
from botocore.validate import ParamValidator
from openai.types.chat import completion_create_params
from openai.types.responses import response_create_params
from pydantic import TypeAdapter

from llmitm.translate import Translated, between

MODELS = {
    "openai_chat": "gpt-5-mini",
    "openai_responses": "gpt-5-mini",
    "anthropic_messages": "claude-sonnet-4-5",
    "bedrock_converse": "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
}
_TYPES: dict[str, TypeAdapter[Any]] = {
    "anthropic_messages": TypeAdapter(message_create_params.MessageCreateParamsStreaming),
    "openai_chat": TypeAdapter(completion_create_params.CompletionCreateParamsStreaming),
    "openai_responses": TypeAdapter(response_create_params.ResponseCreateParamsStreaming),
}
_CONVERSE = (
    botocore.session.get_session()
    .get_service_model("bedrock-runtime")
    .operation_model("ConverseStream")
    .input_shape
)
PICTURE = "iVBORw0KGgo="
SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}

CLAUDE_CODE: dict[str, Any] = {
    "model": "claude-sonnet-4-5",
    "max_tokens": 32_000,
    "stream": True,
    "temperature": 1,
    "system": [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=2; cch=abc;"},
        {
            "type": "text",
            "text": "You are an agent.",
            "cache_control": {"type": "ephemeral", "ttl": "1h"},
        },
    ],
    "tools": [
        {"name": "Read", "description": "Reads a file.", "input_schema": SCHEMA},
        {"name": "mcp__a_long_server_name__" + "x" * 60, "input_schema": SCHEMA},
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 8},
    ],
    "thinking": {"type": "enabled", "budget_tokens": 31_999},
    "metadata": {"user_id": "user_1_session_2"},
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Read a and b."}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Two files.", "signature": "c2ln"},
                {"type": "text", "text": "I read them."},
                {"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {"path": "a"}},
                {"type": "tool_use", "id": "toolu_2", "name": "Read", "input": {"path": "b"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_1",
                    "content": [
                        {"type": "text", "text": "A picture:"},
                        {
                            "type": "image",
                            "source": {
                                "type": "base64",
                                "media_type": "image/png",
                                "data": PICTURE,
                            },
                        },
                    ],
                },
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_2",
                    "content": "no such file",
                    "is_error": True,
                },
                {"type": "text", "text": "Go on.", "cache_control": {"type": "ephemeral"}},
            ],
        },
        {"role": "system", "content": "The user is in a hurry."},
    ],
}
CODEX: dict[str, Any] = {
    "model": "gpt-5-codex",
    "instructions": "You are an agent.",
    "stream": True,
    "store": False,
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "a-session",
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "reasoning": {"effort": "medium", "summary": "auto"},
    "text": {"verbosity": "low"},
    "tools": [
        {
            "type": "function",
            "name": "shell",
            "description": "Runs a command.",
            "strict": False,
            "parameters": {
                "type": "object",
                "properties": {"command": {"type": "array", "items": {"type": "string"}}},
            },
        },
        {
            "type": "custom",
            "name": "apply_patch",
            "description": "Edits files.",
            "format": {"type": "grammar", "syntax": "lark", "definition": "start: patch"},
        },
        {"type": "web_search", "external_web_access": False},
        {
            "type": "namespace",
            "name": "mail",
            "description": "Mail.",
            "tools": [{"type": "function", "name": "send", "parameters": SCHEMA, "strict": False}],
        },
    ],
    "input": [
        {
            "type": "message",
            "role": "developer",
            "content": [{"type": "input_text", "text": "Sandboxed."}],
        },
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_text", "text": "Look."},
                {"type": "input_image", "image_url": f"data:image/png;base64,{PICTURE}"},
            ],
        },
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"},
        {
            "type": "function_call",
            "call_id": "call_1",
            "name": "shell",
            "arguments": '{"command":["ls"]}',
        },
        {
            "type": "custom_tool_call",
            "call_id": "call_2",
            "name": "apply_patch",
            "input": "*** Begin Patch",
        },
        {
            "type": "function_call",
            "call_id": "call_3",
            "namespace": "mail",
            "name": "send",
            "arguments": "{}",
        },
        {"type": "function_call_output", "call_id": "call_1", "output": "a.txt"},
        {"type": "custom_tool_call_output", "call_id": "call_2", "output": "Done"},
        {"type": "function_call_output", "call_id": "call_3", "output": "Sent"},
        {"type": "configuration_update", "reasoning": {"effort": "high"}},
    ],
}
CHAT: dict[str, Any] = {
    "model": "gpt-4o",
    "stream": True,
    "stream_options": {"include_usage": True},
    "temperature": 1.4,
    "seed": 7,
    "stop": "END",
    "max_completion_tokens": 500,
    "user": "me",
    "parallel_tool_calls": False,
    "tool_choice": {"type": "function", "function": {"name": "read"}},
    "tools": [{"type": "function", "function": {"name": "read", "parameters": SCHEMA}}],
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": "Very."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is it?"},
                {
                    "type": "image_url",
                    "image_url": {"url": f"data:image/png;base64,{PICTURE}", "detail": "low"},
                },
                {
                    "type": "file",
                    "file": {
                        "filename": "a (1).pdf",
                        "file_data": f"data:application/pdf;base64,{PICTURE}",
                    },
                },
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "call:1/" + "x" * 50,
                    "type": "function",
                    "function": {"name": "read", "arguments": '{"path":"a"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "call:1/" + "x" * 50, "content": "a picture"},
        {"role": "user", "content": "And?"},
    ],
}
REQUESTS = {"anthropic_messages": CLAUDE_CODE, "openai_responses": CODEX, "openai_chat": CHAT}


def translated(client: str, provider: str, document: Any, model: str | None = None) -> Translated:
    translation = between(client, provider)
    assert translation is not None
    return translation.request(document, model=model or MODELS[provider])


def check(provider: str, written: Translated) -> Any:
    """Return the body; fail where the provider's own SDK does not know it so."""
    body = json.loads(written.body)
    if provider == "bedrock_converse":
        model = unquote(written.path.split("/")[2])
        report = ParamValidator().validate({"modelId": model, **body}, _CONVERSE)
        assert not report.has_errors(), report.generate_report()
    else:
        _walk(_TYPES[provider].validate_python(body))
    return body


def _walk(value: object) -> None:
    """Have everything looked at: what is iterable is checked as it is gone through."""
    if isinstance(value, Mapping):
        for inner in value.values():
            _walk(inner)
    elif isinstance(value, Iterable) and not isinstance(value, str | bytes):
        for inner in value:
            _walk(inner)
