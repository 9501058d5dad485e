"""`llmitm demo`: real programs, a real proxy, a local provider; no key, no internet, nothing of the user's touched.

Everything that is printed comes from the commands that are shown, run on the demo's own database.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.padding import Padding

from llmitm.bundle import bundle_for
from llmitm.demo.calls import PROGRAMS
from llmitm.demo.provider import in_thread
from llmitm.environment import variables
from llmitm.errors import LlmitmError
from llmitm.home import Home
from llmitm.running import private

_SECONDS = 60
_WHAT = {
    "openai": "a stream, a tool call, and a model without a price",
    "anthropic": "a stream with a cached prompt, and the turn after it",
    "google.genai": "a Gemini stream",
}


def main() -> int:
    """Run the demo and return 0, or 1 where one of its programs failed."""
    console = Console(highlight=False)
    home = Home(Path(tempfile.mkdtemp(prefix="llmitm-demo-")))
    console.print(
        "\n[bold]llmitm demo[/]  [dim]a local stand-in plays OpenAI, Anthropic and Gemini[/]\n"
    )
    try:
        fine = _calls(console, home)
    except LlmitmError as error:
        console.print(f"[red]llmitm: {error}[/]")
        return 1
    _look(console, home)
    console.print(f"[dim]The file:[/]  {home.database}")
    console.print("[dim]Yours:[/]     llmitm run -- python your_app.py")
    console.print(
        f"[dim]Again:[/]     LLMITM_HOME={home.folder} llmitm ls [dim]· show last · stats[/]\n"
    )
    return 0 if fine else 1


def _calls(console: Console, home: Home) -> bool:
    """Run the programs behind a proxy of their own; the calls are in the database at the end."""
    with in_thread(slow_ms=150, gap_ms=10) as provider:
        own = os.environ | {
            "LLMITM_HOME": str(home.folder),
            "LLMITM_TEST_UPSTREAM": provider.address,
            "LLMITM_TEST_UPSTREAM_CA": str(provider.ca_file),
        }
        with private(home, own) as proxy:
            bundle = bundle_for(home, os.environ)
            made = variables(proxy.url, home.ca_certificate, bundle, os.environ)
            environment = {**os.environ, **made, "PYTHONWARNINGS": "ignore"}
            console.print("Three programs make their calls as they always do:")
            running = {name: _start(name, environment) for name in PROGRAMS}
            fine = [_ended(console, name, process) for name, process in running.items()]
            return all(fine)


def _start(name: str, environment: Mapping[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "llmitm.demo.calls", name],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _ended(console: Console, name: str, process: subprocess.Popen[str]) -> bool:
    try:
        _, said = process.communicate(timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        _, said = process.communicate()
    fine = process.returncode == 0
    mark = "[green]✓[/]" if fine else "[red]✗[/]"
    console.print(f"  {mark} {name:<13} [dim]{_WHAT[name]}[/]")
    if not fine:
        console.print(Padding(said.strip(), (0, 4)), style="red", markup=False)
    return fine


def _look(console: Console, home: Home) -> None:
    """Show what the log holds, by the commands that anyone would use."""
    database = str(home.database)
    chosen = ["-c", "model", "-c", "prompt", "-c", "cost_usd", "--limit", "3", "-t"]
    for command, arguments in (
        ("llmitm ls", ["llmitm.cli", "ls"]),
        ("llmitm show last", ["llmitm.cli", "show", "last"]),
        (
            f"sqlite-utils rows {home.database.name} requests {' '.join(chosen)}",
            ["sqlite_utils", "rows", database, "requests", *chosen],
        ),
    ):
        console.print(f"\n[bold cyan]$ {command}[/]", soft_wrap=True)
        console.file.flush()
        subprocess.run(
            [sys.executable, "-m", *arguments],
            env=os.environ | {"LLMITM_HOME": str(home.folder)},
            check=False,
            timeout=_SECONDS,
        )
    console.print()


if __name__ == "__main__":
    sys.exit(main())
