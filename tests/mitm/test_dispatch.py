from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable

import pytest
from mitmproxy import exceptions, hooks, http, options
from mitmproxy.addonmanager import AddonManager
from mitmproxy.proxy.layers.http import HttpRequestHook
from mitmproxy.test import tflow

from llmitm.mitm.dispatch import Dispatch, ResolvedAddons

with warnings.catch_warnings():
    # mitmproxy's own addons import libraries in ways that these have come to deprecate.
    warnings.simplefilter("ignore")
    from mitmproxy import master


class Noted:
    """Writes down what it is called for, and does what it is told."""

    def __init__(self, name: str, seen: list[str], then: Callable[[], None] = lambda: None) -> None:
        self.name = name
        self._seen = seen
        self._then = then

    def request(self, flow: http.HTTPFlow) -> None:
        self._seen.append(f"{self.name} request")
        self._then()

    async def update(self, flows: list[http.HTTPFlow]) -> None:
        self._seen.append(f"{self.name} update")


class Nested:
    """An addon made of addons."""

    def __init__(self, *addons: object) -> None:
        self.addons = addons


def fail() -> None:
    raise ValueError("a fault of an addon")


def halt() -> None:
    raise exceptions.AddonHalt


def run(kind: type[AddonManager], build: Callable[[list[str]], list[object]]) -> list[str]:
    seen: list[str] = []

    async def events() -> None:
        own = master.Master(options.Options())
        manager = own.addons if kind is AddonManager else ResolvedAddons(own)
        manager.add(*build(seen))
        for _ in range(2):
            await manager.handle_lifecycle(HttpRequestHook(tflow.tflow()))
        late = Noted("late", seen)
        manager.add(late)
        await manager.trigger_event(HttpRequestHook(tflow.tflow()))
        manager.remove(late)
        await manager.trigger_event(HttpRequestHook(tflow.tflow()))
        await manager.trigger_event(hooks.RunningHook())
        await own.done()

    asyncio.run(events())
    return seen


@pytest.mark.parametrize(
    "build",
    [
        lambda seen: [Noted("a", seen), Noted("b", seen)],
        lambda seen: [Noted("a", seen, fail), Noted("b", seen)],
        lambda seen: [Noted("a", seen, halt), Noted("b", seen)],
        lambda seen: [Nested(Noted("a", seen, fail), Noted("b", seen)), Noted("c", seen)],
        lambda seen: [object()],
    ],
)
def test_handlers_are_called_as_mitmproxy_calls_them(
    build: Callable[[list[str]], list[object]],
) -> None:
    assert run(ResolvedAddons, build) == run(AddonManager, build)


def test_a_running_mitmdump_gets_it() -> None:
    async def running() -> None:
        own = master.Master(options.Options())
        Dispatch().running()
        assert type(own.addons) is ResolvedAddons
        seen: list[str] = []
        own.addons.add(Noted("a", seen))
        await own.addons.trigger_event(HttpRequestHook(tflow.tflow()))
        assert seen == ["a request"]
        await own.done()

    asyncio.run(running())
