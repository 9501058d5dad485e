"""What a page is: a name in the address, a function that answers a question out of the log, and a template.

A page is a module of `pages` with a `PAGE`, and a template of its name. Everything else (address, menu, key, filters, time,
SQL, command line, live updates) it has from the frame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from llmitm.dashboard.question import Question
from llmitm.errors import LlmitmError
from llmitm.home import Home
from llmitm.store.reader import Reader


class NotFoundError(LlmitmError):
    """There is no such page, call or run."""


@dataclass(slots=True)
class View:
    """One look at a page."""

    page: Page
    home: Home
    question: Question
    arguments: Mapping[str, Sequence[str]]
    """All that the address or the form says."""
    rest: Sequence[str]
    """What follows the page's name in the address."""
    now: datetime
    """Local time."""
    read_only: bool
    opened: Callable[[], Reader]
    """Opens the log. Raises `StoreError` where there is none."""
    _log: Reader | None = None

    @property
    def log(self) -> Reader:
        """The log. Raises `StoreError` where there is none."""
        if self._log is None:
            self._log = self.opened()
        return self._log

    def close(self) -> None:
        """Close the log, if it was looked at."""
        if self._log is not None:
            self._log.close()

    def argument(self, name: str, default: str = "") -> str:
        """Return a parameter of the address."""
        values = self.arguments.get(name)
        return values[-1].strip() if values else default

    def choice(self, name: str, allowed: Sequence[str]) -> str:
        """Return a parameter that has few values, the first where nothing is said. Raises `LlmitmError`."""
        value = self.argument(name) or allowed[0]
        if value not in allowed:
            raise LlmitmError(f"{name}={value} is not known: allowed are {', '.join(allowed)}")
        return value

    def address(self, *path: str, **changes: str) -> str:
        """Return the address of this page, or of another, for the same question."""
        from urllib.parse import quote

        where = "/".join(quote(part, safe="") for part in (path or (self.page.name, *self.rest)))
        return f"/{where}{self.question.query(**changes)}"


@dataclass(slots=True)
class Shown:
    """What a page says."""

    content: Mapping[str, object]
    """Values for the template."""
    command: str = "llmitm"
    """The command line that shows the same."""
    title: str | None = None
    """The page's own where None."""
    template: str | None = None
    """The page's own where None."""
    ranged: bool = True
    """False where the time does not matter: one call, one run."""
    kept: Mapping[str, str] = field(default_factory=dict)
    """Parameters of the page that go on when the filters change."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the dashboard."""

    name: str
    """In the address and of the template."""
    title: str
    key: str
    """`g` and this key go there."""
    show: Callable[[View], Shown]
    filtered: bool = True
    """Whether the frame shows time and filters."""
    act: Callable[[View], str] | None = None
    """Does what a form asks and returns where to go. Raises `LlmitmError`, which the person sees."""
    needs_log: bool = True
    """False where there is something to show without a log."""
    listed: bool = True
    """False for what is reached from another page."""
