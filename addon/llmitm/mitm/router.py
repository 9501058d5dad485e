"""What the gateway and fallbacks know of providers: who serves which model, and whose key there is."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping

from llmitm.keys import Keys, KeySource
from llmitm.policy.routing import Models, Routing, instead_of, makes
from llmitm.providers.hosts import HostTable, ProviderEntry
from llmitm.served import ServedModels
from llmitm.settings import GatewaySettings
from llmitm_pricing import PriceFileError

log = logging.getLogger("llmitm")


class Router:
    """Routing that is made when it is first needed, by a thread: the price table is read for it."""

    def __init__(
        self,
        hosts: HostTable,
        keys: Mapping[str, KeySource],
        settings: GatewaySettings,
        models: Callable[[], Models],
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self.hosts = hosts
        self.origins = settings.origins
        """Of web pages that may use the keys."""
        self.keys = Keys(keys, environ)
        self._own = settings.models
        self._models = models
        self._routing: Routing | None = None
        self._making: asyncio.Task[Routing] | None = None

    def stays(self, home: ProviderEntry, model: str) -> bool:
        """Tell whether a call is surely for the provider that its client named; no table has to be read for it."""
        return makes(home, model) and "," not in model and instead_of(model, self._own) == model

    async def routing(self) -> Routing:
        """Return the routing."""
        if self._routing is None:
            if self._making is None:
                self._making = asyncio.ensure_future(asyncio.to_thread(self._make))
            try:
                self._routing = await asyncio.shield(self._making)
            finally:
                if self._making.done():
                    self._making = None
        return self._routing

    def _make(self) -> Routing:
        try:
            models = self._models()
        except PriceFileError as error:
            log.warning("llmitm: the user's price files cannot be read: %s", error)
            models = ServedModels.read()
        routing = Routing(self.hosts, models, self._own)
        routing.resolve("gpt-4o")  # compiles what is compiled once
        return routing
