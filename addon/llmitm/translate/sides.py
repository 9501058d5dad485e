"""The two halves of a translation: what the client speaks and what the provider speaks.

Every object here is for one call: what a client's request named is needed again when its answer is written.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from llmitm.calls import Headers, Json
from llmitm.translate.chat import ChatRequest
from llmitm.translate.events import Event
from llmitm.translate.failures import Failure


class Untranslatable(Exception):
    """A part of a request that the other side cannot have, and without which it would mean something else."""


class Notes:
    """What was left out or changed on the way, each said once."""

    def __init__(self) -> None:
        self._said: dict[str, None] = {}

    def add(self, note: str) -> None:
        """Say something, unless it was said."""
        self._said[note] = None

    def __iter__(self) -> Iterator[str]:
        return iter(self._said)


class Payload(NamedTuple):
    """One event of a stream that is written: its name, where the dialect names events, and its document."""

    name: str | None
    document: Json


@dataclass(frozen=True, slots=True)
class Answering:
    """What is known of an answer before its body."""

    model: str
    """As the client asked for it."""
    id: str | None = None
    """As the headers tell it."""
    created: int = 0
    """Seconds since the epoch; 0 where no header tells."""
    streaming: bool = True
    """Whether the client gets a stream; else what is written becomes a whole answer."""


class AnswerWriter(ABC):
    """Write the events of one answer as the client's dialect streams them."""

    @abstractmethod
    def write(self, event: Event) -> Iterable[Payload]:
        """Take one event, return what is sent."""

    @abstractmethod
    def close(self) -> Iterable[Payload]:
        """End the answer, return what is sent last."""


class Client(ABC):
    """What a client speaks."""

    dialect: ClassVar[str]
    ending: ClassVar[bytes] = b""
    """What ends a stream after its last event."""
    error_ends: ClassVar[bool] = False
    """Whether that stands after an error too."""
    request_id_header: ClassVar[str]

    @abstractmethod
    def read(self, document: Json, notes: Notes) -> ChatRequest:
        """Read a request. Raises `Untranslatable`."""

    @abstractmethod
    def writer(self, answering: Answering) -> AnswerWriter:
        """Return a writer of one answer to the request that was read."""

    @abstractmethod
    def error(self, failure: Failure) -> Json:
        """Return an error body."""


class Outgoing(NamedTuple):
    """A request as a provider wants it."""

    path: str
    document: Json
    headers: Headers


class AnswerReader(ABC):
    """Read one answer of a provider's."""

    @abstractmethod
    def add(self, payload: Json, event: str | None) -> Iterable[Event]:
        """Take one event of its stream."""

    @abstractmethod
    def whole(self, document: Json) -> Iterable[Event]:
        """Take an answer that came whole."""

    def close(self) -> Iterable[Event]:
        """End the stream, return what it had left open."""
        return ()

    def done(self) -> Iterable[Event]:
        """End a stream that says itself that it is whole."""
        return self.close()


class Provider(ABC):
    """What a provider speaks."""

    dialect: ClassVar[str]

    @abstractmethod
    def write(self, request: ChatRequest, model: str, notes: Notes) -> Outgoing:
        """Write a request. Raises `Untranslatable`."""

    @abstractmethod
    def reader(self) -> AnswerReader:
        """Return a reader of one answer."""
