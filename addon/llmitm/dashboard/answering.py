"""A page as it is made: in a thread, with an end to how long it may take, and with the SQL that was asked for it."""

from __future__ import annotations

import logging
import re
import sqlite3
import time
from collections.abc import Callable, Mapping

from llmitm.dashboard.page import NotFoundError, Shown, View
from llmitm.dashboard.rendering import render
from llmitm.errors import LlmitmError, StoreError
from llmitm.store.reader import Reader

log = logging.getLogger("llmitm.dashboard")

_LONGEST_SECONDS = 10
"""A page that takes longer is given up: its question was too large."""
_INSTRUCTIONS = 20_000
"""Of SQLite's, between two looks at the clock."""
_QUESTIONS = ("SELECT", "WITH")
_MOST_STATEMENTS = 40
_KEYS = re.compile(r"((?:(?:\d+|\?), ){2}(?:\d+|\?))(?:, (?:\d+|\?)){20,}")


class Answer:
    """What a page says, made in a thread, with the statements that it asked the log."""

    def __init__(
        self, view: View, how: Callable[[View], Shown | str], frame: Mapping[str, object]
    ) -> None:
        self.page: str | None = None
        self.goes_to: str | None = None
        self.status = 500
        self.problem = ""
        self._statements: dict[str, None] = {}
        self._view = view
        self._how = how
        self._frame = frame
        self._opened = view.opened
        view.opened = self._open
        self._started = time.perf_counter()
        self._deadline = time.monotonic() + _LONGEST_SECONDS

    def make(self) -> None:
        """Make it."""
        try:
            result = self._how(self._view)
            if isinstance(result, str):
                self.goes_to = result
            else:
                self.page = self._rendered(result)
        except (NotFoundError, StoreError) as error:
            self.status, self.problem = 404, str(error)
        except LlmitmError as error:
            self.status, self.problem = 400, str(error)
        except sqlite3.OperationalError as error:
            self._of_sqlite(error)
        except (
            Exception
        ) as error:  # the person sees that it was our fault, and the log has the trace
            log.exception("a fault of the dashboard")
            self.problem = f"a fault of the dashboard: {type(error).__name__}: {error}"
        finally:
            self._view.close()

    def _rendered(self, shown: Shown) -> str:
        view = self._view
        return render(
            shown.template or f"{view.page.name}.html",
            {
                **shown.content,
                **self._frame,
                "view": view,
                "now": view.now,
                "title": shown.title or view.page.title,
                "command": shown.command,
                "kept": shown.kept,
                "ranged": shown.ranged,
                "statements": list(self._statements),
                "milliseconds": (time.perf_counter() - self._started) * 1000,
            },
        )

    def _open(self) -> Reader:
        reader = self._opened()
        connection = reader.connection
        connection.set_trace_callback(self._note)
        connection.set_progress_handler(self._is_late, _INSTRUCTIONS)
        return reader

    def _note(self, statement: str) -> None:
        if statement.lstrip().startswith(_QUESTIONS) and len(self._statements) < _MOST_STATEMENTS:
            self._statements.setdefault(_KEYS.sub(_shortened, statement))

    def _is_late(self) -> bool:
        return time.monotonic() > self._deadline

    def _of_sqlite(self, error: sqlite3.OperationalError) -> None:
        if self._is_late():
            self.status = 503
            self.problem = f"this would take longer than {_LONGEST_SECONDS} s: ask for less time"
        else:
            log.error("the log cannot be read", exc_info=error)
            self.problem = f"the log cannot be read: {error}"


def _shortened(keys: re.Match[str]) -> str:
    """Return a long list of keys by its beginning."""
    return f"{keys[1]} /* and {keys[0].count(',') - 2:,} more */"


def shown(view: View) -> Shown:
    """Return what a page shows."""
    if view.page.needs_log:
        _ = view.log
    return view.page.show(view)


def acted(view: View) -> str:
    """Do what a form asks and return where to go. Raises `LlmitmError`."""
    if view.read_only:
        raise LlmitmError("this dashboard only reads: it was started with --read-only")
    if view.page.act is None:
        raise LlmitmError("there is nothing to do on this page")
    return view.page.act(view)
