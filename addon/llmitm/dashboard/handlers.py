"""Requests: who asks is checked, what is asked becomes a view, and what a page says goes back."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, override
from urllib.parse import unquote

from tornado import web

from llmitm.dashboard import security
from llmitm.dashboard.answering import Answer, acted, shown
from llmitm.dashboard.page import Page, Shown, View
from llmitm.dashboard.pages import pages
from llmitm.dashboard.question import RANGES, Question
from llmitm.dashboard.rendering import render
from llmitm.dashboard.shared import Dashboard
from llmitm.errors import LlmitmError
from llmitm.store.reader import Reader

_THEMES = ("auto", "light", "dark")


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
        await self._answer(path, shown)

    async def post(self, path: str) -> None:
        """Do what a form asks, and go on to a page that shows it."""
        await self._answer(path, acted)

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
        answer = Answer(view, how, self._frame(page, view.question))
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
