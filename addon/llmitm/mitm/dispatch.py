"""mitmproxy's addon manager, with the handlers of each event looked up once instead of at every event.

Walking all addons for every event is about a quarter of mitmdump's CPU time. Everything else, the order above
all, is mitmproxy's own.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from typing import Any

from mitmproxy import ctx, exceptions, flow, hooks
from mitmproxy.addonmanager import AddonManager, traverse

log = logging.getLogger("llmitm")

type _Handler = Callable[..., Any]


class ResolvedAddons(AddonManager):
    """Remember who handles what, until an addon comes or goes."""

    def __init__(self, master: Any) -> None:
        AddonManager.__init__(self, master)
        self._handlers: dict[str, tuple[tuple[_Handler, ...], ...]] = {}

    def register(self, addon: Any) -> Any:
        """Add an addon."""
        self._handlers = {}
        return AddonManager.register(self, addon)

    def add(self, *addons: Any) -> None:
        """Add addons to the end of the chain."""
        AddonManager.add(self, *addons)
        self._handlers = {}

    def remove(self, addon: Any) -> None:
        """Remove an addon."""
        AddonManager.remove(self, addon)
        self._handlers = {}

    async def handle_lifecycle(self, event: hooks.Hook) -> None:
        """Handle an event of a connection or flow."""
        arguments = event.args()
        await self._call(event.name, arguments)
        if arguments and isinstance(arguments[0], flow.Flow) and self._resolve("update"):
            await self._call("update", [[arguments[0]]])

    async def trigger_event(self, event: hooks.Hook) -> None:
        """Trigger an event across all addons."""
        await self._call(event.name, event.args())

    def _resolve(self, name: str) -> tuple[tuple[_Handler, ...], ...]:
        handlers = self._handlers.get(name)
        if handlers is None:
            links = (
                tuple(
                    found
                    for each in traverse([link])
                    if callable(found := getattr(each, name, None))
                )
                for link in self.chain
            )
            handlers = self._handlers[name] = tuple(filter(None, links))
        return handlers

    async def _call(self, name: str, arguments: list[Any]) -> None:
        for link in self._resolve(name):
            try:
                for handler in link:
                    result = handler(*arguments)
                    if result is not None and inspect.isawaitable(result):
                        await result
            except exceptions.AddonHalt:
                return
            except exceptions.OptionsError:
                raise
            except Exception:
                log.exception("addon error in %s", name)


class Dispatch:
    """Give somebody's own mitmdump the same manager, which pays for what our hooks cost there."""

    def running(self) -> None:
        """All addons are loaded."""
        manager = ctx.master.addons
        if type(manager) is AddonManager:  # any other kind is left as it is
            manager.__class__ = ResolvedAddons
            vars(manager)["_handlers"] = {}
