"""A real Chromium, driven over WebDriver by what the standard library has."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

DRIVER = shutil.which("chromedriver")
_STARTS = 5
CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
WHY_NOT = "needs Chromium and its driver: apt-get install chromium chromium-driver"

_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-extensions",
    "--hide-scrollbars",
    "--no-proxy-server",
    "--force-device-scale-factor=1",
)
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_SECONDS = 30
KEYS = {"enter": "\ue007", "escape": "\ue00c", "tab": "\ue004"}


class BrowserError(Exception):
    """The browser could not do it."""


class Browser:
    """A window."""

    def __init__(self, driver: str, profile: str, *, scripts: bool) -> None:
        preferences = {} if scripts else {"profile.managed_default_content_settings.javascript": 2}
        options = {
            "binary": CHROMIUM,
            "args": [*_FLAGS, f"--user-data-dir={profile}"],
            "prefs": preferences,
            "perfLoggingPrefs": {"enableNetwork": True},
        }
        wanted = {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        self._address = driver
        answer = _ask("POST", f"{driver}/session", {"capabilities": {"alwaysMatch": wanted}})
        self._session = f"{driver}/session/{answer['sessionId']}"

    def _do(self, method: str, path: str, body: object = None) -> Any:
        return _ask(method, f"{self._session}/{path}", body if method == "POST" else None)

    def close(self) -> None:
        """Close it."""
        _ask("DELETE", self._session, None)

    def go(self, url: str) -> None:
        """Load a page."""
        self._do("POST", "url", {"url": url})

    @property
    def url(self) -> str:
        """Where it is."""
        return str(self._do("GET", "url"))

    @property
    def text(self) -> str:
        """What can be read."""
        return self.texts("body")[0]

    def resize(self, width: int, height: int = 900) -> None:
        """Make the page itself that large, whatever the smallest window is."""
        self.command(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
        )

    def command(self, name: str, parameters: dict[str, object]) -> Any:
        """Send a command of the DevTools protocol."""
        return self._do("POST", "goog/cdp/execute", {"cmd": name, "params": parameters})

    def prefer(self, scheme: str) -> None:
        """Let the system prefer `light` or `dark`."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.command("Emulation.setEmulatedMedia", {"features": features})

    def _find(self, selector: str) -> list[str]:
        found = self._do("POST", "elements", {"using": "css selector", "value": selector})
        return [each[_ELEMENT] for each in found]

    def count(self, selector: str) -> int:
        """Return how many there are."""
        return len(self._find(selector))

    def texts(self, selector: str) -> list[str]:
        """Return what they say."""
        return [str(self._do("GET", f"element/{each}/text")) for each in self._find(selector)]

    def attribute(self, selector: str, name: str) -> str | None:
        """Return an attribute of the first."""
        found: str | None = self._do("GET", f"element/{self._first(selector)}/attribute/{name}")
        return found

    def _first(self, selector: str) -> str:
        found = self._find(selector)
        if not found:
            raise BrowserError(f"there is no {selector} at {self.url}")
        return found[0]

    def click(self, selector: str) -> None:
        """Click the first."""
        self._do("POST", f"element/{self._first(selector)}/click", {})

    def fill(self, selector: str, text: str) -> None:
        """Write into the first, in place of what was there."""
        element = self._first(selector)
        self._do("POST", f"element/{element}/clear", {})
        self._do("POST", f"element/{element}/value", {"text": text})

    def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        actions = []
        for key in keys:
            value = KEYS.get(key, key)
            actions += [{"type": "keyDown", "value": value}, {"type": "keyUp", "value": value}]
        source = {"type": "key", "id": "keyboard", "actions": actions}
        self._do("POST", "actions", {"actions": [source]})

    def script(self, text: str, *arguments: object) -> Any:
        """Run a script in the page and return what it returns."""
        return self._do("POST", "execute/sync", {"script": text, "args": arguments})

    def script_later(self, text: str, *arguments: object) -> Any:
        """Run a script that calls its last argument with what it has found."""
        return self._do("POST", "execute/async", {"script": text, "args": arguments})

    def picture(self, path: Path, *, whole: bool = True) -> None:
        """Write a picture of the page."""
        answer = self.command(
            "Page.captureScreenshot", {"format": "png", "captureBeyondViewport": whole}
        )
        path.write_bytes(base64.b64decode(answer["data"]))

    def complaints(self) -> list[str]:
        """Return what the console says since the last time."""
        return [entry["message"] for entry in self._log("browser")]

    def fetched(self) -> list[str]:
        """Return the addresses that were asked for since the last time."""
        found = []
        for entry in self._log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                found.append(message["params"]["request"]["url"])
        return found

    def _log(self, kind: str) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self._do("POST", "se/log", {"type": kind})
        return entries

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + _SECONDS
        while time.monotonic() < deadline:
            with suppress(BrowserError):  # a page that is just being replaced
                if condition():
                    return
            time.sleep(0.05)
        raise BrowserError(f"it never came to it: {what}")


@contextmanager
def chromium(*, scripts: bool = True) -> Iterator[Browser]:
    """Open a browser with an empty profile for the length of a block."""
    assert DRIVER is not None
    with tempfile.TemporaryDirectory(
        prefix="llmitm-chromium-", ignore_cleanup_errors=True
    ) as profile:
        driver, port = _started(DRIVER)
        try:
            browser = Browser(f"http://127.0.0.1:{port}", profile, scripts=scripts)
            try:
                yield browser
            finally:
                browser.close()
        finally:
            driver.terminate()
            driver.communicate()


def _started(program: str) -> tuple[subprocess.Popen[str], int]:
    """Start the driver; the port that it finds free over IPv4 may be taken over IPv6, and it then ends."""
    for _ in range(_STARTS):
        driver = subprocess.Popen([program, "--port=0"], stdout=subprocess.PIPE, text=True)
        assert driver.stdout is not None
        for line in driver.stdout:
            if match := re.search(r"successfully on port (\d+)", line):
                return driver, int(match[1])
        driver.communicate()
    raise BrowserError("chromedriver did not start")


def _ask(method: str, url: str, body: object) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"}, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_SECONDS) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as error:
        with error:
            value = json.load(error)["value"]
        raise BrowserError(f"{value['error']}: {value['message'].splitlines()[0]}") from None
