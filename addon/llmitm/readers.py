"""The reader that a home and its settings make: the same for the proxy and for `llmitm explain`."""

from __future__ import annotations

import os
from pathlib import Path

from llmitm.estimate import Estimator
from llmitm.home import Home
from llmitm.providers.hosts import HostTable
from llmitm.reading import Reader
from llmitm.settings import LogSettings
from llmitm_pricing import PriceTable


def reader(home: Home, settings: LogSettings, hosts: HostTable, *, keep_bodies: bool) -> Reader:
    """Return a reader with the user's prices, encodings and patterns beside ours."""
    # The user's own folder of encodings goes before ours.
    encodings = Path(os.environ.get("TIKTOKEN_CACHE_DIR") or home.encodings)
    return Reader(
        hosts,
        PriceTable.load(own=home.prices),
        Estimator(encodings),
        keep_bodies=keep_bodies,
        redact=settings.redact,
    )
