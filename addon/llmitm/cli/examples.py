"""An example or two of every verb, for its help and for docs/cli.md. A test runs each past the parser."""

from __future__ import annotations

from collections.abc import Sequence

type Example = tuple[str, str]
"""A command, and what it is for."""

EXAMPLES: dict[str, Sequence[Example]] = {
    "run": (
        ("llmitm run -- python my_app.py", "log what a program asks"),
        ("llmitm run -t project=nightly -- pytest -q", "with a label on each call"),
    ),
    "proxy": (("llmitm proxy --port 8080", "for everything on this machine"),),
    "env": (('eval "$(llmitm env)"', "set this shell up"),),
    "demo": (("llmitm demo", "no key, no internet"),),
    "ls": (
        ("llmitm ls -n 50 --errors --since today", "what went wrong today"),
        ("llmitm ls --follow --model 'claude-*'", "calls as they end"),
        ("llmitm ls -q 'refund' --jsonl", "calls that speak of something, for another program"),
    ),
    "show": (
        ("llmitm show last", "the call that ended last"),
        ("llmitm show @1 --diff", "what its prompt has that the turn before had not"),
        ("llmitm show 8XK2 --curl", "the request, to be sent again"),
    ),
    "stats": (
        ("llmitm stats --by day --since 7d", "spend by day"),
        ("llmitm stats --by user,model --cross --since month", "users down, models across"),
        ("llmitm stats --by model --since week --compare prev", "this week beside the one before"),
        ("llmitm stats --by property:project --csv", "for a spreadsheet"),
    ),
    "users": (("llmitm users --since month", "who spent what, and on which models"),),
    "sessions": (
        ("llmitm sessions --since today", "the sessions of today"),
        ("llmitm sessions s-42", "one of them, step by step and thread by thread"),
    ),
    "threads": (
        ("llmitm threads --since 2h", "conversations, with the agents that they started"),
        ("llmitm threads 8XK2", "the calls of one of them"),
    ),
    "workflows": (
        ("llmitm workflows", "cost, tokens and time of each Workflow and Step"),
        ("llmitm workflows --by project,branch,agent --since 30d", "by any other properties"),
    ),
    "top": (("llmitm top", "spend, calls in flight and the last calls, as they come"),),
    "limits": (
        ("llmitm limits", "what is left of each provider's limits, and when it comes back"),
        ("llmitm limits --history --since 7d", "who ran into them"),
    ),
    "retries": (("llmitm retries --since 7d", "who tries again, and what that takes"),),
    "dashboard": (("llmitm dashboard", "all of it in the browser"),),
    "explain": (("llmitm explain answer.har", "what a recorded exchange would cost"),),
    "price": (
        ("llmitm price show gpt-5.4", "all prices of a model"),
        ("llmitm price whatif --model claude-haiku-4-5 --since 7d", "the log on another model"),
        ("llmitm price whatif --tier batch --since 30d", "had it waited for a batch"),
        ("llmitm price whatif --cached 1d", "had our cache answered what was asked twice"),
    ),
    "budget": (
        ("llmitm budget set 20/day --tag nightly", "20 USD a day for the calls with a tag"),
        ("llmitm budget ls", "what is spent, reserved and left"),
    ),
    "runaways": (("llmitm runaways --held", "the runs that wait for a word"),),
    "resume": (("llmitm resume 01KB2C3D4E5F6G7H8J9K0M1N2P", "let one go on"),),
    "alert": (("llmitm alert add 'spend > 50 / day' --to desktop", "say so when it happens"),),
    "export": (
        ("llmitm export html --run 8XK2 -o run.html", "a run as one page, to be sent"),
        ("llmitm export jsonl --since 7d", "calls with their bodies, a line each"),
    ),
    "import": (
        ("llmitm import claude-code", "what Claude Code has in its own session files"),
        ("llmitm import helicone requests.jsonl", "an export of Helicone's"),
    ),
    "db": (
        ("llmitm db sql 'SELECT * FROM daily LIMIT 5'", "any question"),
        ("llmitm db prune --older 30d --bodies", "keep the figures, drop the texts"),
        ("llmitm db backup copy.db", "a copy, while the proxy writes"),
    ),
    "cache": (
        ("llmitm cache", "how much our cache holds, and what it has given"),
        (
            "llmitm cache advise --since 1d",
            "where the provider's prompt cache broke, and what it cost",
        ),
    ),
    "ca": (("llmitm ca path", "where the certificate is"),),
    "doctor": (("llmitm doctor", "prove that calls are seen"),),
    "encodings": (("llmitm encodings ls", "what estimates are made with"),),
    "statusline": (
        ("llmitm statusline < session.json", "what Claude Code does at each turn"),
        ("llmitm statusline --install", "what to put into its settings"),
    ),
    "completions": (
        ('eval "$(llmitm completions bash)"', "in ~/.bashrc"),
        ("llmitm completions fish", "for fish; zsh as well"),
    ),
}


def epilog(examples: Sequence[Example]) -> str | None:
    """Return examples as they stand under a verb's help."""
    if not examples:
        return None
    width = max(len(command) for command, _ in examples)
    lines = [f"  {command:<{width}}  {meaning}" for command, meaning in examples]
    return "\n".join(["examples:", *lines])
