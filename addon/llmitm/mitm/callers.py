"""Who called, by the client's connection: looked for at its first LLM call, remembered while it is open."""

from __future__ import annotations

from mitmproxy import connection

from llmitm.callers.connections import Connections, Told
from llmitm.callers.looking import Looker, system
from llmitm.mitm.guard import guarded
from llmitm.redact import Redactor
from llmitm.settings import Settings


class Callers:
    """Have callers looked for, where the settings and the system allow it."""

    def __init__(self, connections: Connections | None) -> None:
        self._connections = connections

    @classmethod
    def of(cls, settings: Settings) -> Callers:
        """Return what the settings ask for."""
        asked = system() if settings.callers.enabled else None
        if asked is None:
            return cls(None)
        looker = Looker(asked, settings.callers.keep, Redactor(settings.log.redact))
        return cls(Connections(looker.properties))

    def told(self, client: connection.Client) -> Told | None:
        """Return what tells who has a connection; None where nobody looks."""
        if self._connections is None or client.transport_protocol != "tcp":
            return None
        return self._connections.seen(client.id, client.peername, client.sockname)

    @guarded
    def client_disconnected(self, client: connection.Client) -> None:
        """Forget a connection."""
        if self._connections is not None:
            self._connections.forget(client.id)

    @guarded
    def done(self) -> None:
        """End the thread that looks."""
        if self._connections is not None:
            self._connections.close()
