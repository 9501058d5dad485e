"""What passes between the connections and the dialects of the local provider: a `Request` in, a `Reply` out.

A reply is complete before its first byte is sent, so an answer depends on its request and nothing else.
"""

from __future__ import annotations

import contextlib
import email.policy
import gzip
import hashlib
import json
import re
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from typing import cast
from urllib.parse import parse_qsl, unquote, urlsplit

import zstandard

from llmitm.calls import Headers, Json
from llmitm.demo.behaviour import Behaviour


class ApiError(Exception):
    """An answer that is an error; the dialect of the request gives it its shape."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code


@dataclass(frozen=True, slots=True)
class Request:
    """One request, whole."""

    method: str
    host: str
    target: str
    """Path with query, as sent."""
    headers: Headers
    body: bytes
    http_version: str = "HTTP/1.1"
    behaviour: Behaviour = field(default_factory=Behaviour)
    """What its model or its header ask for."""

    @property
    def path(self) -> str:
        """The path without the query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters, the last of each name."""
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def digest(self) -> str:
        """32 hex digits that are the same for an equal request.

        Host and stream options do not count: a proxy that asks for usage gets the answer's own bytes.
        """
        body = self.body
        with contextlib.suppress(ApiError):
            document = self.document()
            document.pop("stream_options", None)
            body = json.dumps(document, separators=(",", ":")).encode()
        key = f"{self.method} {self.target}\n".encode() + body
        return hashlib.blake2b(key, digest_size=16).hexdigest()

    def header(self, name: str) -> str | None:
        """Return the first value of a header; `name` in lower case."""
        return next((value for key, value in self.headers if key.lower() == name), None)

    def content(self) -> bytes:
        """Return the body without its content-encoding."""
        match self.header("content-encoding"):
            case "gzip":
                return gzip.decompress(self.body)
            case "zstd":
                return zstandard.ZstdDecompressor().decompressobj().decompress(self.body)
        return self.body

    def document(self) -> Json:
        """Return the body as a JSON object; `ApiError` 400 where it is none."""
        try:
            document = json.loads(self.content())
        except ValueError as error:
            raise ApiError(
                400, f"We could not parse the JSON body of your request: {error}"
            ) from None
        if not isinstance(document, dict):
            raise ApiError(400, "The JSON body of your request is not an object")
        return document

    def model(self) -> str | None:
        """Return the model's name, where the body's JSON or form, or the path, has one."""
        if named := re.search(r"/models/([^/:]+):\w+$|/model/([^/]+)/[a-z-]+$", self.path):
            return unquote(named[1] or named[2])
        try:
            if (self.header("content-type") or "").startswith("multipart/"):
                return self.form()["model"][1].decode()
            model = self.document().get("model")
        except (ApiError, KeyError):
            return None
        return model if isinstance(model, str) else None

    def form(self) -> dict[str, tuple[str | None, bytes]]:
        """Return a multipart body's parts: name to (file name, content)."""
        head = f"content-type: {self.header('content-type')}\r\n\r\n".encode()
        whole = BytesParser(policy=email.policy.HTTP).parsebytes(head + self.body)
        if not whole.is_multipart():
            raise ApiError(400, "This request needs a multipart/form-data body")
        return {
            str(part.get_param("name", header="content-disposition")): (
                part.get_filename(),
                cast(bytes, part.get_payload(decode=True)),
            )
            for part in cast(list[EmailMessage], whole.get_payload())
        }


@dataclass(frozen=True, slots=True)
class Tokens:
    """What an answer counts: children inside parents, whatever the dialect's own arithmetic is."""

    input: int = 0
    output: int = 0
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0


@dataclass(slots=True)
class Reply:
    """One answer, whole, cut into the parts that are written one by one."""

    parts: list[bytes]
    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)
    streamed: bool = False
    model: str | None = None
    """The model that served, as the body names it."""
    text: str | None = None
    """Visible text of the first choice, as the body holds it."""
    finish: str | None = None
    """Why the first choice ended, as the body says it."""
    tokens: Tokens | None = None
    """The counts that the body reports; None where it reports none."""
    behaviour: Behaviour = field(default_factory=Behaviour)


def json_reply(document: Json, status: int = 200, *, indent: int | None = None) -> Reply:
    """Return an unstreamed answer of one JSON document."""
    separators = (",", ":") if indent is None else None
    text = json.dumps(document, ensure_ascii=False, indent=indent, separators=separators)
    return Reply([text.encode()], status, [("content-type", "application/json")])


def event(
    document: Json, *, name: str | None = None, newline: str = "\n", padding: int = 0
) -> bytes:
    """Return one server-sent event; `padding` is trailing blanks on the data line, as Anthropic sends."""
    data = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    head = f"event: {name}{newline}" if name else ""
    return f"{head}data: {data}{' ' * padding}{newline}{newline}".encode()


def event_reply(
    parts: list[bytes], content_type: str = "text/event-stream; charset=utf-8"
) -> Reply:
    """Return a streamed answer of ready events."""
    return Reply(parts, 200, [("content-type", content_type)], streamed=True)
