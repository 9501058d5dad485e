"""Make the pictures of the documentation anew. They show an invented log; times are those of the making."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dashboard.browser import CHROMIUM, DRIVER, WHY_NOT, Browser, chromium
from llmitm.home import Home
from pictures import invented
from pictures.catalogue import FOLDER, PAGES, SIZE, TERMINALS, Page, wrong
from pictures.palette import reduced
from pictures.terminal import draw

_READY = "return document.readyState === 'complete' && document.fonts.status === 'loaded'"


def main() -> int:
    """Return 1 where a picture cannot be made, or is not as it should be."""
    parser = argparse.ArgumentParser(prog="scripts/screenshots", description=__doc__)
    parser.add_argument("--into", type=Path, default=FOLDER, metavar="FOLDER")
    into: Path = parser.parse_args().into
    if not (CHROMIUM and DRIVER):
        print(f"scripts/screenshots {WHY_NOT}", file=sys.stderr)
        return 1
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="llmitm-pictures-") as folder:
        environment = {**os.environ, "LLMITM_HOME": folder, "TZ": "UTC"}
        invented.write(Home(Path(folder)).database, time.time())
        for commands in TERMINALS:
            draw(commands, into / commands.file, environment)
        with dashboard(environment) as link, chromium() as browser:
            browser.resize(*SIZE)
            browser.go(link)
            for page in PAGES:
                take(browser, page, link, into / page.file)
    faults = wrong(into)
    print("\n".join(faults) if faults else f"the pictures are in {into}")
    return 1 if faults else 0


@contextmanager
def dashboard(environment: Mapping[str, str]) -> Iterator[str]:
    """Run `llmitm dashboard` for the length of a block and give its link."""
    words = [sys.executable, "-m", "llmitm.cli", "dashboard", "--no-open", "--port", "0"]
    with subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            said = process.stderr.readline()
            found = re.search(r"http://\S+", said)
            if found is None:
                raise RuntimeError(f"llmitm dashboard did not start: {said}")
            yield found[0]
        finally:
            process.terminate()


def take(browser: Browser, page: Page, link: str, path: Path) -> None:
    """Take the picture of a page."""
    origin = "/".join(link.split("/")[:3])
    browser.prefer(page.scheme)
    browser.go(origin + page.path)
    browser.until(lambda: browser.script(_READY), f"{page.path} is there")
    browser.picture(path, whole=False)
    path.write_bytes(reduced(path.read_bytes()))


if __name__ == "__main__":
    sys.exit(main())
