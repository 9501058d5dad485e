"""`llmitm statusline`: one line for Claude Code's status bar: what the session cost, and what today did.

Claude Code runs it at each turn and gives it JSON on standard input; nothing is asked over a network.
"""

from __future__ import annotations

import argparse

_LONGEST_INPUT = 1_000_000


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `statusline` to the command line."""
    parser = subparsers.add_parser(
        "statusline", help="one line for Claude Code's status bar", description=__doc__
    )
    parser.add_argument(
        "--install", action="store_true", help="print what to put into ~/.claude/settings.json"
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    import json
    import sys

    if arguments.install:
        line = {"type": "command", "command": "llmitm statusline"}
        print(json.dumps({"statusLine": line}, indent=2))
        return 0
    # https://code.claude.com/docs/en/statusline (read 2026-11-26)
    told: object = None
    if not sys.stdin.isatty():
        try:
            told = json.loads(sys.stdin.buffer.read(_LONGEST_INPUT) or b"{}")
        except (ValueError, RecursionError):
            told = None
    print(_line(told if isinstance(told, dict) else {}))
    return 0


def _line(told: dict[str, object]) -> str:
    """Return the line. A status bar is no place for an error: what is not known is left out."""
    import sqlite3
    from datetime import UTC, datetime

    from llmitm import harmless
    from llmitm.errors import StoreError
    from llmitm.home import home
    from llmitm.store.glance import glance

    session = told.get("session_id")
    midnight = datetime.now(UTC).astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
    parts = [name] if (name := _inner(told, "model", "display_name")) else []
    try:
        found = glance(
            home().database,
            session if isinstance(session, str) else None,
            int(midnight.timestamp() * 1000),
        )
    except (StoreError, sqlite3.Error, OSError):
        parts.append("llmitm: no log")
        return harmless.line(" · ".join(map(str, parts)))
    estimated = _inner(told, "cost", "total_cost_usd")
    if found.session_nanousd is not None:
        parts.append(f"{_usd(found.session_nanousd / 1e9)} session")
        if found.session_input_tokens:
            parts.append(f"{found.session_cached_tokens / found.session_input_tokens:.0%} cached")
    elif isinstance(estimated, (int, float)):
        # The session does not go through the proxy, so this is the client's own word.
        parts.append(f"~{_usd(estimated)} session")
    parts.append(f"{_usd(found.today_nanousd / 1e9)} today")
    used = _inner(told, "context_window", "used_percentage")
    if isinstance(used, (int, float)):
        parts.append(f"context {used:.0f}%")
    return harmless.line(" · ".join(map(str, parts)))


def _inner(told: dict[str, object], outer: str, name: str) -> object:
    value = told.get(outer)
    return value.get(name) if isinstance(value, dict) else None


def _usd(amount: float) -> str:
    return f"${amount:.2f}" if amount >= 0.1 or not amount else f"${amount:.4f}"
