"""What the addons share: settings, the host table, and the recorder with all that stands behind it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from llmitm.calls import Finished
from llmitm.estimate import Estimator
from llmitm.home import Home
from llmitm.providers import hosts as host_table
from llmitm.providers.hosts import HostTable
from llmitm.reading import Reader
from llmitm.recorder import Recorder
from llmitm.settings import Settings, load
from llmitm_pricing import PriceTable


@dataclass(frozen=True, slots=True)
class Service:
    """Everything behind the addons."""

    home: Home
    settings: Settings
    hosts: HostTable
    recorder: Recorder

    @classmethod
    def start(cls, home: Home, on_recorded: Callable[[Sequence[Finished]], None]) -> Service:
        """Read the settings, open the tables and start the recorder's thread.

        Raises `SettingsError` where the settings are wrong: nothing is to run on half of them.
        """
        home.create()
        settings = load(home)
        hosts = host_table.load(settings.provider)
        reader = Reader(
            hosts,
            PriceTable.load(own=home.prices if home.prices.is_dir() else None),
            estimator=Estimator(_encodings(home)),
            keep_bodies=settings.log.bodies,
            redact=settings.log.redact,
        )
        recorder = Recorder.open(home.database, reader, settings.log, on_recorded)
        recorder.start()
        return cls(home, settings, hosts, recorder)


def _encodings(home: Home) -> Path:
    """Return where tiktoken's files lie: the user's own folder, if there is one, before ours."""
    own = os.environ.get("TIKTOKEN_CACHE_DIR")
    return Path(own) if own else home.encodings
