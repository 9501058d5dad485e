"""What all requests of one server share: where the log is, who may look, the threads, and pages that were just made."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

from llmitm.dashboard import security
from llmitm.dashboard.security import Keys
from llmitm.home import Home

HOST = "127.0.0.1"
_THREADS = 4
_FRESH_SECONDS = 0.8


@dataclass(slots=True)
class Dashboard:
    """What all requests of one server share."""

    home: Home
    port: int
    read_only: bool = False
    keys: Keys = field(default_factory=Keys)
    threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(_THREADS, "dashboard")
    )

    _pages: dict[Hashable, tuple[float, str]] = field(default_factory=dict)

    def kept(self, what: Hashable) -> str | None:
        """Return a page that was made a moment ago: windows that refresh at once need it made once."""
        made_at, page = self._pages.get(what, (0.0, ""))
        return page if time.monotonic() - made_at < _FRESH_SECONDS else None

    def keep(self, what: Hashable, page: str) -> None:
        """Keep a page for a moment."""
        now = time.monotonic()
        self._pages = {
            key: each for key, each in self._pages.items() if now - each[0] < _FRESH_SECONDS
        }
        self._pages[what] = (now, page)

    def run(self, prepare: Callable[[Home], None]) -> None:
        """Prepare something in the background, unless it has ended meanwhile."""
        with suppress(RuntimeError):
            self.threads.submit(prepare, self.home)

    @property
    def url(self) -> str:
        """The link that opens it."""
        return f"http://{HOST}:{self.port}/?{security.TOKEN}={self.keys.token}"
