"""What the local provider received and sent, for whoever wants to compare."""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass, field, fields
from typing import Literal

from llmitm.calls import Json
from llmitm.demo.message import Tokens

End = Literal["open", "complete", "cut", "dropped", "client_gone"]


@dataclass(slots=True)
class Entry:
    """One request and its reply, as bytes of the bodies without transfer coding."""

    method: str
    host: str
    target: str
    http_version: str
    headers: list[tuple[str, str]]
    body: bytes
    status: int = 0
    response_headers: list[tuple[str, str]] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    """The body in the parts in which it was written, in its content-encoding."""
    end: End = "open"
    model: str | None = None
    text: str | None = None
    finish: str | None = None
    tokens: Tokens | None = None
    """The counts that the body reported; None where it reported none."""

    @property
    def path(self) -> str:
        """The path without the query."""
        return self.target.partition("?")[0]

    def to_json(self) -> Json:
        """Return it as a JSON object, bytes in base64."""
        document = asdict(self)
        document["body"] = base64.b64encode(self.body).decode()
        document["sent"] = [base64.b64encode(part).decode() for part in self.sent]
        return document

    @classmethod
    def from_json(cls, document: Json) -> Entry:
        """Return the entry that `to_json` wrote."""
        values = {each.name: document[each.name] for each in fields(cls)}
        values["headers"] = [tuple(pair) for pair in values["headers"]]
        values["response_headers"] = [tuple(pair) for pair in values["response_headers"]]
        values["body"] = base64.b64decode(values["body"])
        values["sent"] = [base64.b64decode(part) for part in values["sent"]]
        values["tokens"] = values["tokens"] and Tokens(**values["tokens"])
        return cls(**values)
