"""The reader that a home and its settings make: the same for the proxy and for `llmitm explain`.

In the proxy its prices follow the user's own files, without a restart and off the event loop.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from llmitm.calls import Exchange, Finished
from llmitm.errors import SettingsError
from llmitm.estimate import Estimator
from llmitm.home import Home
from llmitm.jobs import Asked, JobId
from llmitm.providers.hosts import HostTable
from llmitm.reading import Reader
from llmitm.settings import LogSettings
from llmitm_pricing import PriceFileError, PriceTable

log = logging.getLogger("llmitm")

_LOOK_SECONDS = 1.0
"""How long a changed price file may wait to be noticed."""


def reader(
    home: Home,
    settings: LogSettings,
    hosts: HostTable,
    *,
    keep_bodies: bool,
    recall: Callable[[JobId], Asked | None] | None = None,
) -> Reader:
    """Return a reader with the user's prices, encodings and patterns beside ours.

    `recall` tells what jobs of earlier runs were asked for.

    Raises:
        SettingsError: The folder of the user's prices cannot be read.

    """
    try:
        prices = PriceTable.load(own=home.prices)
    except PriceFileError as error:
        raise SettingsError(str(error)) from error
    return Reader(
        hosts,
        prices,
        Estimator(encodings(home)),
        keep_bodies=keep_bodies,
        redact=settings.redact,
        recall=recall,
    )


def encodings(home: Home) -> Path:
    """Return the folder of tiktoken's encodings: the user's own goes before ours."""
    return Path(os.environ.get("TIKTOKEN_CACHE_DIR") or home.encodings)


class FollowingReader:
    """A reader whose prices follow the user's own files. Used by one thread, the recorder's."""

    def __init__(self, reader: Reader, look_seconds: float = _LOOK_SECONDS) -> None:
        self._reader = reader
        self._look_seconds = look_seconds
        self._look_at = float("-inf")
        self._is_new = True

    @property
    def prices(self) -> PriceTable:
        """The prices as they are now; may be asked by any thread."""
        return self._reader.prices

    def read(self, exchange: Exchange) -> Finished:
        """Return the record of an exchange, priced by the files as they are now."""
        if monotonic() >= self._look_at:
            self._look_at = monotonic() + self._look_seconds
            self._look()
        return self._reader.read(exchange)

    def bare(self, exchange: Exchange, error: BaseException) -> Finished:
        """Return what is known without reading."""
        return self._reader.bare(exchange, error)

    def _look(self) -> None:
        before = self._reader.prices
        # The first time everything is read, so that a file that is wrong is told before its provider is called.
        if not self._is_new and not before.changed():
            return
        self._is_new = False
        try:
            self._reader.prices = now = before.reloaded()
        except PriceFileError as error:
            log.warning("llmitm: the price files could not be read again: %s", error)
            return
        for path, broken in now.broken.items():
            if before.broken.get(path) != broken:
                outcome = (
                    "its prices as they were before stay in force"
                    if broken.has_last
                    else f"calls to {path.stem} are unpriced until it is right"
                )
                log.warning("llmitm: %s; %s", broken.told, outcome)
        for path in before.broken.keys() - now.broken.keys():
            log.warning("llmitm: %s is right again, or gone", path)
