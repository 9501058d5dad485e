"""`llmitm demo`: see it work, with no key and no internet."""

from __future__ import annotations

import argparse


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "demo",
        help="see it work: real calls to a local provider; no key, no internet",
        description="Run real programs through the real proxy to a local provider, and show what was logged.",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo."""
    from llmitm.demo.__main__ import main

    return main()
