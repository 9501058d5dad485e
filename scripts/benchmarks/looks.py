"""How long people wait for pages and reports on a log of a million calls.

`scripts/bench looks [FOLDER] [CALLS]`. The log is made in FOLDER where it has none yet, which takes some minutes; its
calls end as it is made, so one that is a day old shows emptier pages.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from html import unescape
from itertools import batched
from pathlib import Path
from urllib.parse import quote

from dashboard.filled import calls
from dashboard.serving import opened, serving
from llmitm.dashboard.pages import pages
from llmitm.home import Home
from llmitm.store.filters import Filter
from llmitm.store.reader import reading
from llmitm.store.writer import Writer

_CALLS, _DAYS, _BATCH = 1_000_000, 60, 500
_PAGE_MS, _REPORT_MS = 300, 500
_AGAIN = 3
_SINCE = ("24h", "7d", "30d", "all")
_BY = ("model", "user", "provider", "property:workflow")
_EVER = "--since 90d"
_REPORTS = (
    "",
    "ls",
    "ls --errors -n 100",
    "ls --text mixed",
    "show",
    "stats",
    "stats --by model,day --since 30d",
    f"stats --by user,model {_EVER}",
    "stats --by property:Workflow,property:Step --since 30d",
    f"stats --by property:Workflow,property:Step {_EVER}",
    "stats --by model --since 7d --compare prev",
    "users",
    f"users {_EVER}",
    "sessions",
    "threads",
    "workflows",
    "workflows --since 30d",
    "limits",
    "retries --since 30d",
    f"retries {_EVER}",
    "budget ls",
    "alert ls",
    "cache advise",
    "cache advise --since 7d",
    "price ls --provider openai",
    "statusline",
    "db path",
)
_WORK = (
    "price ls",
    "price check",
    "price whatif --model gpt-5 --since 24h",
    "price whatif --cached 1h --since 30d",
    f"price whatif --cached 1h {_EVER}",
)
"""What reads the whole price table, or works out every call, with a bar that tells how far it is."""


def main() -> int:
    """Return 1 where somebody waits longer than the bar."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="llmitm-looks-"))
    home = Home(folder)
    home.create()
    if not home.database.exists():
        _fill(home.database, int(sys.argv[2]) if len(sys.argv) > 2 else _CALLS)
    print(f"{'first':>9}{'least':>9}   ms to the whole page")
    slow = [not _timed(path, _PAGE_MS, show) for path, show in _shown(home)]
    print(f"{'first':>9}{'least':>9}   ms from the start of the command to its end")
    slow += [not _timed(f"llmitm {words}", _REPORT_MS, _report(home, words)) for words in _REPORTS]
    print(f"{'first':>9}{'least':>9}   the same of what is no look but work")
    for words in _WORK:
        _timed(f"llmitm {words}", float("inf"), _report(home, words))
    print(f"{sum(slow)} over the bars: {_PAGE_MS} ms a page, {_REPORT_MS} ms a report")
    return 1 if any(slow) else 0


def _fill(path: Path, count: int) -> None:
    writer, written = Writer(path), 0
    for batch in batched(calls(time.time(), count, _DAYS), _BATCH):
        writer.write(batch)
        written += len(batch)
        while writer.tidy():
            pass
        if written % (_BATCH * 200) == 0:
            print(f"{written:,} calls made", flush=True)
    writer.close()


def _shown(home: Home) -> Iterator[tuple[str, Callable[[], object]]]:
    with serving(home, read_only=True) as dashboard:
        client = opened(dashboard)
        with reading(home.database) as log:
            (latest,) = log.recent(Filter(), 1)
        found = [f"/{name}?since={since}" for name in pages() for since in _SINCE]
        found += [f"/now?since={since}&by={quote(by)}" for since in _SINCE for by in _BY]
        found += [f"/workflows?since={since}&by=workflow,step,team" for since in _SINCE]
        found += [f"/runs?kind={kind}&since=30d" for kind in ("session", "thread", "run")]
        found += [f"/calls/{latest['id']}", "/calls?text=mixed", "/calls?errors=1"]
        runs = client.page("/runs?since=7d").body
        found += sorted({unescape(link) for link in re.findall(r'href="(/runs/[^"#]+)"', runs)})[:3]
        for path in found:
            yield path, lambda path=path: client.page(path)  # type: ignore[misc]


def _report(home: Home, words: str) -> Callable[[], object]:
    command = f"{sys.executable} -m llmitm.cli {words}"
    environment = os.environ | {"LLMITM_HOME": str(home.folder)}

    def run() -> None:
        done = subprocess.run(
            command, shell=True, env=environment, capture_output=True, check=False, input=b"{}"
        )
        if done.returncode != 0 and done.stderr:
            print(f"{'':21}{words}: {done.stderr.decode().strip()[-200:]}")

    return run


def _timed(title: str, bar_ms: float, look: Callable[[], object]) -> bool:
    times = []
    for _ in range(_AGAIN):
        started = time.perf_counter()
        look()
        times.append((time.perf_counter() - started) * 1000)
    mark = "" if min(times) <= bar_ms else f"   over {bar_ms:.0f}"
    print(f"{times[0]:9.0f}{min(times):9.0f}   {title}{mark}", flush=True)
    return not mark


if __name__ == "__main__":
    sys.exit(main())
