"""Runtimes on this machine, and the proof that a call of each one is captured.

The proof is the whole path with the user's own CA and bundle: a client with the variables of `llmitm run`, a proxy of
its own with an empty log, and a stand-in for the provider. Nothing leaves the machine, nothing is written to the log.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from llmitm import running
from llmitm.demo.provider import in_thread
from llmitm.environment import original, variables
from llmitm.home import Home

_SECONDS = 60
"""Clients that do not trust a certificate often hang instead of failing; `go run` compiles first."""

_PYTHON = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1]).read()"
_NODE = """
const url = process.argv[1];
const get = globalThis.fetch ?? ((url) => new Promise((done, fail) => require("https").get(url, done).on("error", fail)));
get(url).then(() => process.exit(0), (error) => { console.error(error.cause?.message ?? error.message); process.exit(1); });
"""
_FETCH = "await (await fetch(URL_TEXT)).text()"
_JAVA = """
import java.net.URI;
import java.net.http.*;

public class Call {
    public static void main(String[] arguments) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create(arguments[0])).build();
        HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.discarding());
    }
}
"""
_GO = """
package main

import ("fmt"; "net/http"; "os")

func main() {
    _, err := http.Get(os.Args[1])
    if err != nil { fmt.Fprintln(os.Stderr, err); os.Exit(1) }
}
"""


class Runtime(NamedTuple):
    """A program that can make a call, and how it is told to."""

    name: str
    """Of the program, as it is looked for on the PATH."""
    version: Sequence[str]
    """Arguments that print its version."""
    call: Callable[[str, str, Path], Sequence[str]]
    """The command for a program's path, a URL and a folder for a source file."""
    url: str = "https://api.openai.com/v1/models/{name}"
    """What it calls; the path tells its call from the others'."""


class Proof(NamedTuple):
    """What became of a runtime's call."""

    name: str
    version: str
    captured: bool
    said: str
    """What the client printed, where its call was not captured."""


def _source(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


RUNTIMES = (
    Runtime("python3", ["--version"], lambda program, url, _: [program, "-c", _PYTHON, url]),
    Runtime("node", ["--version"], lambda program, url, _: [program, "-e", _NODE, url]),
    Runtime("curl", ["--version"], lambda program, url, _: [program, "-sS", url]),
    # It gets no repository, but it asks for one.
    Runtime("git", ["--version"], lambda program, url, _: [program, "ls-remote", url]),
    Runtime(
        "java",
        ["-version"],
        lambda program, url, folder: [program, _source(folder, "Call.java", _JAVA), url],
    ),
    Runtime(
        "deno",
        ["--version"],
        lambda program, url, _: [program, "eval", _FETCH.replace("URL_TEXT", repr(url))],
    ),
    Runtime(
        "bun",
        ["--version"],
        lambda program, url, _: [program, "-e", _FETCH.replace("URL_TEXT", repr(url))],
    ),
    Runtime(
        "go",
        ["version"],
        lambda program, url, folder: [program, "run", _source(folder, "call.go", _GO), url],
    ),
    Runtime(
        "aws",
        ["--version"],
        # The address is its own: an endpoint in the user's configuration is not under test.
        lambda program, url, folder: [
            *(program, "bedrock-runtime", "invoke-model", "--model-id", "aws", "--body", "{}"),
            *("--no-sign-request", "--region", "us-east-1", "--endpoint-url"),
            *(url.partition("/model/")[0], str(folder / "answer.json")),
        ],
        "https://bedrock-runtime.us-east-1.amazonaws.com/model/{name}/invoke",
    ),
)


def prove(
    home: Home, bundle: Path, environ: Mapping[str, str], runtimes: Sequence[Runtime] = RUNTIMES
) -> list[Proof]:
    """Make a call from each runtime that is on the PATH, and tell which were captured.

    `environ` is the user's; the CA of `home` and its `bundle` are those under test. Raises `ProxyError` where no proxy
    starts.
    """
    user = original(environ)
    found = [(each, path) for each in runtimes if (path := shutil.which(each.name))]
    with tempfile.TemporaryDirectory(prefix="llmitm-doctor-") as folder, in_thread() as provider:
        place = _place(home, Path(folder))
        own = user | {
            "LLMITM_HOME": folder,
            "LLMITM_TEST_UPSTREAM": provider.address,
            "LLMITM_TEST_UPSTREAM_CA": str(provider.ca_file),
        }
        with running.private(place, own, ["--quiet"]) as proxy, ThreadPoolExecutor(4) as pool:
            environment = user | variables(proxy.url, home.ca_certificate, bundle, user)
            faults = list(pool.map(lambda each: _call(each[0], each[1], environment), found))
        logged = _logged_paths(place)
    proofs = []
    for (runtime, program), fault in zip(found, faults, strict=True):
        captured = any(path.startswith(urlsplit(_url(runtime)).path) for path in logged)
        said = (
            "" if captured else fault or "it made no call through the proxy, and does not say why"
        )
        proofs.append(Proof(runtime.name, _version(runtime, program), captured, said))
    return proofs


def _place(home: Home, folder: Path) -> Home:
    """Return a home with the user's CA and settings and an empty log."""
    place = Home(folder)
    place.ca.symlink_to(home.ca, target_is_directory=True)
    if home.settings.exists():
        shutil.copy(home.settings, place.settings)
    return place


def _logged_paths(place: Home) -> list[str]:
    from llmitm.store.opening import open_readable

    if not place.database.exists():
        return []
    connection = open_readable(place.database)
    try:
        return [str(path) for (path,) in connection.execute("SELECT path FROM calls")]
    finally:
        connection.close()


def _url(runtime: Runtime) -> str:
    return runtime.url.format(name=runtime.name)


def _call(runtime: Runtime, program: str, environment: Mapping[str, str]) -> str:
    """Make a call; return the line in which the client says what is wrong, if it says anything."""
    with tempfile.TemporaryDirectory(prefix="llmitm-doctor-") as folder:
        try:
            done = subprocess.run(
                runtime.call(program, _url(runtime), Path(folder)),
                env=environment,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"it hung for {_SECONDS} s, as clients do that refuse the certificate"
        except OSError as error:
            return str(error)
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    about_trust = (line for line in lines if "certificate" in line.lower())
    return next(about_trust, lines[-1] if lines else "")


def _version(runtime: Runtime, program: str) -> str:
    """Return the first number with a dot that the program says of itself."""
    try:
        done = subprocess.run(
            [program, *runtime.version],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    words = re.sub(r'["/]', " ", done.stdout + done.stderr).split()
    numbers = (word.lstrip("vgo") for word in words)
    return next((word for word in numbers if word[:1].isdigit() and "." in word), "")
