"""The web server: checks who asks, answers pages out of the log in threads of its own, and shows nobody a trace."""

from __future__ import annotations

import asyncio
import logging
import re
import sqlite3
import time
from collections.abc import Awaitable, Callable, Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, override
from urllib.parse import unquote

from tornado import web
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from llmitm.dashboard import security
from llmitm.dashboard.metrics import MetricsHandler, Scraped
from llmitm.dashboard.page import NotFoundError, Page, Shown, View
from llmitm.dashboard.pages import pages
from llmitm.dashboard.question import RANGES, Question
from llmitm.dashboard.rendering import FOLDER, render
from llmitm.dashboard.security import Keys
from llmitm.errors import LlmitmError, StoreError
from llmitm.home import Home
from llmitm.store.reader import Reader

log = logging.getLogger("llmitm.dashboard")

HOST = "127.0.0.1"
_LONGEST_SECONDS = 10
"""A page that takes longer is given up: its question was too large."""
_INSTRUCTIONS = 20_000
"""Of SQLite's, between two looks at the clock."""
_THREADS = 4
_FRESH_SECONDS = 0.8
_THEMES = ("auto", "light", "dark")
_FORM_BYTES = 1_000_000
_QUESTIONS = ("SELECT", "WITH")
_MOST_STATEMENTS = 40
_KEYS = re.compile(r"((?:(?:\d+|\?), ){2}(?:\d+|\?))(?:, (?:\d+|\?)){20,}")


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

    @property
    def url(self) -> str:
        """The link that opens it."""
        return f"http://{HOST}:{self.port}/?{security.TOKEN}={self.keys.token}"


class Handler(web.RequestHandler):
    """What every answer has in common."""

    dashboard: Dashboard

    @override
    def initialize(self, dashboard: Dashboard) -> None:
        self.dashboard = dashboard

    @override
    def set_default_headers(self) -> None:
        security.secure(self)

    @override
    def prepare(self) -> Awaitable[None] | None:
        why = security.refusal(self.request.headers, self.request.uri or "", self.dashboard.port)
        if why is not None:
            self._refuse(421, why)
            return None
        token = self.get_query_argument(security.TOKEN, None)
        if token is not None and self.request.method == "GET":
            self._let_in(token)
        elif not self.dashboard.keys.knows(self.get_cookie(self._cookie)):
            self._refuse(
                403,
                "open the dashboard by the link that `llmitm dashboard` prints: it has the token",
            )
        return None

    def _let_in(self, token: str) -> None:
        if not self.dashboard.keys.opens(token):
            self._refuse(403, "this token is not known: `llmitm dashboard` prints the link anew")
            return
        self.set_cookie(
            self._cookie, self.dashboard.keys.session, httponly=True, samesite="Strict", path="/"
        )
        self.redirect(security.without_token(self.request.uri or "/"), status=303)

    @property
    def _cookie(self) -> str:
        # Cookies are the same for all ports of a host: two dashboards must not log each other out.
        return f"llmitm_{self.dashboard.port}"

    @property
    def _xsrf_cookie(self) -> str:
        return f"llmitm_xsrf_{self.dashboard.port}"

    def _refuse(self, status: int, why: str) -> None:
        self.set_status(status)
        self.finish(render("refused.html", {"status": status, "why": why}))

    @override
    def write_error(self, status_code: int, **kwargs: Any) -> None:
        why = {403: "the form is too old: load the page again", 404: "there is no such page"}
        self.finish(
            render(
                "refused.html",
                {"status": status_code, "why": why.get(status_code, self._reason)},
            )
        )

    @property
    def theme(self) -> str:
        """How the person wants to see it."""
        theme = self.get_cookie("llmitm_theme", "auto")
        return theme if theme in _THEMES else "auto"


class PageHandler(Handler):
    """Show a page, or do what its form asks."""

    async def get(self, path: str) -> None:
        """Answer with the page."""
        await self._answer(path, _shown)

    async def post(self, path: str) -> None:
        """Do what a form asks, and go on to a page that shows it."""
        await self._answer(path, _acted)

    async def _answer(self, path: str, how: Callable[[View], Shown | str]) -> None:
        name, *rest = [unquote(part) for part in path.strip("/").split("/")]
        page = pages().get(name or next(iter(pages())))
        if page is None:
            raise web.HTTPError(404)
        try:
            view = self._view(page, rest)
        except LlmitmError as error:
            self._show_problem(page, 400, str(error))
            return
        if view is None:
            return
        shared = (self.request.uri, self.theme, self.get_cookie(self._xsrf_cookie))
        if "X-Refresh" in self.request.headers and (kept := self.dashboard.kept(shared)):
            self.finish(kept)
            return
        answer = _Answer(view, how, self._frame(page, view.question))
        await asyncio.get_running_loop().run_in_executor(self.dashboard.threads, answer.make)
        if answer.goes_to is not None:
            self.redirect(security.own_path(answer.goes_to), status=303)
        elif answer.page is None:
            self._show_problem(page, answer.status, answer.problem, view.question)
        else:
            self.dashboard.keep(shared, answer.page)
            self.finish(answer.page)

    def _view(self, page: Page, rest: list[str]) -> View | None:
        """Return the view that is asked for; None where a filter line was given, which becomes an address."""
        arguments = {
            name: self.get_arguments(name) for name in (*self.request.arguments,) if name != "_xsrf"
        }
        question = Question.of(arguments if self.request.method == "GET" else {})
        line = self.get_query_argument("q", None)
        view = View(
            page=page,
            home=self.dashboard.home,
            question=question if line is None else question.with_line(line),
            arguments=arguments,
            rest=rest,
            now=datetime.now(UTC).astimezone(),
            read_only=self.dashboard.read_only,
            opened=lambda: Reader(self.dashboard.home.database),
        )
        if line is None:
            return view
        kept = {
            name: values[-1]
            for name, values in arguments.items()
            if name not in ("q", "tag", "before") and name not in Question.__dataclass_fields__
        }
        self.redirect(view.address(**kept), status=303)
        return None

    def _frame(self, page: Page, question: Question) -> dict[str, object]:
        """Return what the frame of every page shows."""
        return {
            "page": page,
            "pages": [each for each in pages().values() if each.listed],
            "question": question,
            "ranges": RANGES,
            "theme": self.theme,
            "themes": _THEMES,
            "uri": self.request.uri or "/",
            "xsrf": self.xsrf_token.decode(),
            "read_only": self.dashboard.read_only,
        }

    def _show_problem(
        self, page: Page, status: int, problem: str, question: Question | None = None
    ) -> None:
        self.set_status(status)
        values = self._frame(page, question or Question())
        values |= {
            "title": page.title,
            "problem": problem,
            "line": self.get_query_argument("q", ""),
            "first_steps": status == 404 and not self.dashboard.home.database.exists(),
        }
        self.finish(render("problem.html", values))


class _Answer:
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


def _shown(view: View) -> Shown:
    if view.page.needs_log:
        _ = view.log
    return view.page.show(view)


def _acted(view: View) -> str:
    if view.read_only:
        raise LlmitmError("this dashboard only reads: it was started with --read-only")
    if view.page.act is None:
        raise LlmitmError("there is nothing to do on this page")
    return view.page.act(view)


class ChangedHandler(Handler):
    """Tell whether the log has changed: the number of the last call, which costs next to nothing to find."""

    async def get(self) -> None:
        """Answer with it."""
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        last = await asyncio.get_running_loop().run_in_executor(
            self.dashboard.threads, _last, self.dashboard.home.database
        )
        self.finish(str(last))


def _last(path: Path) -> int:
    try:
        with_log = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    except sqlite3.Error:
        return 0
    try:
        return int(with_log.execute("SELECT coalesce(max(key), 0) FROM calls").fetchone()[0])
    except sqlite3.Error:
        return 0
    finally:
        with_log.close()


class ThemeHandler(Handler):
    """Remember how the person wants to see it."""

    async def post(self) -> None:
        """Set it, and go back."""
        theme = self.get_body_argument("theme", "auto")
        if theme in _THEMES:
            self.set_cookie("llmitm_theme", theme, expires_days=365, samesite="Strict", path="/")
        self.redirect(security.own_path(self.get_body_argument("back", "/")), status=303)


class StaticHandler(web.StaticFileHandler):
    """Style and script: the same for everybody, yet with the headers of all answers."""

    @override
    def initialize(self, path: str, port: int) -> None:  # type: ignore[override]
        super().initialize(path)
        self._port = port

    @override
    def prepare(self) -> None:
        if security.refusal(self.request.headers, self.request.uri or "", self._port):
            raise web.HTTPError(421)

    @override
    def set_default_headers(self) -> None:
        security.secure(self)

    @override
    def set_extra_headers(self, path: str) -> None:
        self.set_header("Cache-Control", "no-cache")


def application(dashboard: Dashboard) -> web.Application:
    """Return the server's application."""
    shared = {"dashboard": dashboard}
    scraped = Scraped(dashboard.home)
    static = {"path": str(FOLDER / "static"), "port": dashboard.port}
    return web.Application(
        [
            (r"/static/([a-z0-9.-]+)", StaticHandler, static),
            (r"/changed", ChangedHandler, shared),
            (r"/metrics", MetricsHandler, {"scraped": scraped, "port": dashboard.port}),
            (r"/theme", ThemeHandler, shared),
            (r"/(.*)", PageHandler, shared),
        ],
        xsrf_cookies=True,
        xsrf_cookie_name=f"llmitm_xsrf_{dashboard.port}",
        xsrf_cookie_kwargs={"httponly": True, "samesite": "Strict"},
        log_function=lambda handler: None,
        default_handler_class=None,
    )


async def serve(
    home: Home, port: int, *, read_only: bool = False, or_free: bool = False
) -> tuple[Dashboard, HTTPServer]:
    """Listen on loopback, at a free port where it is 0, and return what it is and its server.

    `or_free` takes a free port too where this one is taken. Raises `OSError`.
    """
    try:
        sockets = bind_sockets(port, HOST)
    except OSError:
        if not or_free:
            raise
        sockets = bind_sockets(0, HOST)
    dashboard = Dashboard(home, sockets[0].getsockname()[1], read_only)
    server = HTTPServer(application(dashboard), max_body_size=_FORM_BYTES)
    server.add_sockets(sockets)
    dashboard.threads.submit(_prepare, home)
    return dashboard, server


def _prepare(home: Home) -> None:
    """Read what takes long to read before anybody asks for it."""
    from llmitm import pricing  # noqa: F401  (takes a second to import)
    from llmitm.dashboard.prices import price_table
    from llmitm.dashboard.rendering import templates

    for name in templates().list_templates():
        templates().get_template(name)
    try:
        price_table(home)
    except LlmitmError as error:  # who looks at a price will see it too
        log.warning("%s", error)
