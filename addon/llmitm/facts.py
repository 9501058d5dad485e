"""What rules and limits look at of a call on its way. The body is read only if something in it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property

from llmitm.calls import Endpoint, Exchange, Identity, Prompt
from llmitm.identity import identify


class CallFacts:
    """The facts of one call; `read` reads its body and is called at most once."""

    def __init__(self, exchange: Exchange, endpoint: Endpoint, read: Callable[[], Prompt]) -> None:
        self._exchange = exchange
        self._endpoint = endpoint
        self._read = read

    @cached_property
    def prompt(self) -> Prompt:
        """What the body asks for."""
        return self._read()

    @property
    def provider(self) -> str:
        """Who is asked."""
        return self._endpoint.provider

    @property
    def path(self) -> str:
        """Without the query."""
        return self._exchange.path.partition("?")[0]

    @property
    def client(self) -> str | None:
        """The user agent."""
        return self._told.client

    @property
    def model(self) -> str | None:
        """The model that is asked for."""
        return self._endpoint.model or self.prompt.model

    @property
    def user(self) -> str | None:
        """For whom: as headers and tags say, else the body."""
        return self._told.user or identify(self._exchange, self.prompt).user

    @property
    def properties(self) -> Mapping[str, str]:
        """Out of headers and tags; not what is found out about the calling process, which may take a while."""
        return self._told.properties

    @property
    def key(self) -> str | None:
        """The fingerprint of the API key."""
        return self._told.api_key_fingerprint

    @cached_property
    def _told(self) -> Identity:
        """What is known without the body."""
        return identify(self._exchange, Prompt())
