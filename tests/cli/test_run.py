"""`llmitm run`: the program notices nothing, and its calls are logged."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import CommandLine, python
from harness import until
from llmitm.environment import REPLACED
from llmitm.home import Home
from llmitm.running import find

CALL = """
import json, os, urllib.request
base = os.environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1")
body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "a question"}]}
request = urllib.request.Request(base + "/chat/completions", json.dumps(body).encode(),
    {"content-type": "application/json", "authorization": "Bearer sk-test"})
print(json.load(urllib.request.urlopen(request))["choices"][0]["finish_reason"])
"""

COUNT = """
import signal, sys
numbers = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1}
signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
print("ready", flush=True)
got = [signal.sigwait(numbers)]
while (more := signal.sigtimedwait(numbers, 0.5)) is not None:
    got.append(more.si_signo)
print("got", *map(int, got), flush=True)
"""


def rows(home: Home) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(f"file:{home.database}?mode=ro", uri=True)) as database:
        database.row_factory = sqlite3.Row
        return [
            dict(row)
            for row in database.execute(
                "select requests.*, calls.run_id from requests join calls using (id) order by id"
            )
        ]


def alive(home: Home) -> list[int]:
    """Return the processes whose home is this one."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):  # not ours, or gone
                environ = (folder / "environ").read_bytes().split(b"\0")
                if f"LLMITM_HOME={home.folder}".encode() in environ:
                    found.append(int(folder.name))
    return found


def test_logs_a_call_under_its_run_and_tags(llmitm: CommandLine) -> None:
    done = llmitm("run", "-t", "project=a,b=c", "-t", "nightly", *python(CALL))
    assert (done.returncode, done.stdout) == (0, "stop\n"), done.stderr
    (row,) = rows(llmitm.home)
    assert (row["prompt"], row["status"], row["model"]) == (
        "a question",
        200,
        "gpt-4o-mini-2024-07-18",
    )
    assert row["run_id"] in done.stderr
    with closing(sqlite3.connect(llmitm.home.database)) as database:
        properties = dict(database.execute("select name, value from properties"))
    assert properties.items() >= {"project": "a,b=c", "tag": "nightly"}.items()


def test_counts_a_program_that_sends_no_label(llmitm: CommandLine) -> None:
    bare = "import os; url = os.environ['HTTPS_PROXY']; at = url.rpartition('@')[2]\n"
    bare += "os.environ['HTTPS_PROXY'] = os.environ['https_proxy'] = 'http://' + at\n"
    done = llmitm("run", "-t", "project=x", *python(bare + CALL))
    assert done.stdout == "stop\n", done.stderr
    (row,) = rows(llmitm.home)
    assert row["run_id"] in done.stderr


def test_sums_up_what_a_running_proxy_has_just_seen(beside_proxy: CommandLine) -> None:
    for _ in range(3):
        said = beside_proxy("run", *python(CALL)).stderr
        assert "llmitm: 1 call " in said


def test_says_in_five_lines_what_it_was_and_once_what_it_does(beside_proxy: CommandLine) -> None:
    first = beside_proxy("run", *python(CALL)).stderr.splitlines()
    second = beside_proxy("run", *python(CALL)).stderr.splitlines()
    assert len(second) <= 5
    assert not [line for line in first + second if not line.startswith("llmitm")]


def test_introduces_itself_on_the_very_first_use(llmitm: CommandLine) -> None:
    first = llmitm("run", *python("pass")).stderr
    assert str(llmitm.home.database) in first
    assert "LLM hosts only" in first
    assert str(llmitm.home.database) not in llmitm("run", *python("pass")).stderr


def test_quiet_prints_nothing(llmitm: CommandLine) -> None:
    done = llmitm("run", "--quiet", *python(CALL))
    assert (done.returncode, done.stdout, done.stderr) == (0, "stop\n", "")


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("raise SystemExit(7)", 7),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", 128 + signal.SIGTERM),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 128 + signal.SIGKILL),
    ],
)
def test_the_exit_code_is_the_programs(beside_proxy: CommandLine, script: str, code: int) -> None:
    assert beside_proxy("run", *python(script)).returncode == code


def test_a_program_that_cannot_be_started_is_as_in_a_shell(beside_proxy: CommandLine) -> None:
    missing = beside_proxy("run", "-q", "--", "no-such-program")
    assert (missing.returncode, missing.stderr) == (
        127,
        "llmitm: no-such-program: No such file or directory\n",
    )
    assert beside_proxy("run", "-q", "--", str(beside_proxy.home.folder)).returncode == 126


def test_standard_input_and_output_are_the_programs(beside_proxy: CommandLine) -> None:
    done = beside_proxy("run", "-q", "--", "cat", input="line\n\x00end")
    assert done.stdout == "line\n\x00end"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_is_passed_on_once(beside_proxy: CommandLine, number: signal.Signals) -> None:
    with handled(number, signal.SIG_DFL):
        process = beside_proxy.start("run", "-q", *python(COUNT), start_new_session=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    said, _ = process.communicate(timeout=30)
    assert said == f"got {int(number)}\n"


def test_a_signal_that_is_ignored_as_by_nohup_stays_so(beside_proxy: CommandLine) -> None:
    with handled(signal.SIGHUP, signal.SIG_IGN):
        process = beside_proxy.start("run", "-q", *python(COUNT), start_new_session=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=30)
    assert said == f"got {int(signal.SIGTERM)}\n"


@contextmanager
def handled(number: signal.Signals, how: signal.Handlers) -> Iterator[None]:
    """Have a signal handled so, by programs that are started meanwhile too, however the tests themselves were started."""
    before = signal.signal(number, how)
    try:
        yield
    finally:
        signal.signal(number, before)


def test_a_key_on_the_terminal_interrupts_once(beside_proxy: CommandLine) -> None:
    command = beside_proxy.command("run", "-q", *python(COUNT))
    terminal = [sys.executable, "-c", f"import pty; pty.spawn({command!r})"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(terminal, env=beside_proxy.environ, text=True, **pipes) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.stdin.write("\x03")
        process.stdin.flush()
        assert process.stdout.readline() == f"^Cgot {int(signal.SIGINT)}\n"


def test_uses_the_proxy_that_runs(beside_proxy: CommandLine) -> None:
    running = find(beside_proxy.home)
    assert running is not None
    done = beside_proxy("run", "-q", *python("import os; print(os.environ['HTTPS_PROXY'])"))
    assert done.stdout.strip().endswith(f"@{running.host}:{running.port}")


def test_its_own_proxy_ends_with_it(llmitm: CommandLine) -> None:
    assert llmitm("run", "-q", *python(CALL)).returncode == 0
    assert not llmitm.home.running.exists()
    assert not alive(llmitm.home)


def test_its_own_proxy_outlives_it_only_as_long_as_the_program(llmitm: CommandLine) -> None:
    waits = "print('ready', flush=True); input()"
    process = llmitm.start("run", "-q", *python(waits), stdin=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == "ready\n"
    assert len(alive(llmitm.home)) == 3
    process.kill()
    process.wait()
    assert len(alive(llmitm.home)) == 2
    process.stdin.close()
    until(lambda: not alive(llmitm.home), lambda: alive(llmitm.home))


def test_the_proxy_has_the_users_environment_and_not_the_clients(llmitm: CommandLine) -> None:
    script = (
        "import json, os, urllib.parse, http.client\n"
        "at = urllib.parse.urlsplit(os.environ['HTTPS_PROXY'])\n"
        "ask = http.client.HTTPConnection(at.hostname, at.port)\n"
        "ask.request('GET', '/llmitm/health')\n"
        "pid = json.load(ask.getresponse())['pid']\n"
        "print(open(f'/proc/{pid}/environ').read().replace(chr(0), chr(10)))"
    )
    nested = [*llmitm.command("run", "-q", "--no-bodies"), *python(script)]
    done = llmitm("run", "-q", "--", *nested)
    environ = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    assert environ["LLMITM_LOG_BODIES"] == "false"
    assert REPLACED not in environ
    assert "HTTPS_PROXY" not in environ
    assert "SSL_CERT_FILE" not in environ


def test_a_run_within_a_run_uses_the_same_proxy(llmitm: CommandLine) -> None:
    nested = [*llmitm.command("run", "-q", "-t", "part=inner"), *python(CALL)]
    done = llmitm("run", "-q", "-t", "part=outer", "--", *nested)
    assert done.stdout == "stop\n", done.stderr
    assert len(rows(llmitm.home)) == 1
    with closing(sqlite3.connect(llmitm.home.database)) as database:
        found = database.execute("select value from properties where name = 'part'").fetchall()
    assert found == [("inner",)]


def test_base_urls_need_no_ca(llmitm: CommandLine) -> None:
    shown = "import os; print([k for k in os.environ if 'CERT' in k or 'PROXY' in k])"
    done = llmitm("run", "-t", "project=x", "--base-url", *python(CALL + shown))
    assert done.stdout == "stop\n[]\n", done.stderr
    (row,) = rows(llmitm.home)
    assert row["run_id"] in done.stderr
    with closing(sqlite3.connect(llmitm.home.database)) as database:
        assert dict(database.execute("select name, value from properties"))["project"] == "x"


def test_a_base_url_of_the_users_is_left_and_named(beside_proxy: CommandLine) -> None:
    environ = {"OPENAI_BASE_URL": "https://llm.example/v1"}
    script = "import os; print(os.environ['OPENAI_BASE_URL'])"
    done = beside_proxy("run", "--base-url", *python(script), environ=environ)
    assert done.stdout == "https://llm.example/v1\n"
    assert "OPENAI_BASE_URL of your own left as is" in done.stderr


def test_without_bodies_only_the_numbers_are_kept(llmitm: CommandLine) -> None:
    assert llmitm("run", "-q", "--no-bodies", *python(CALL)).stdout == "stop\n"
    (row,) = rows(llmitm.home)
    assert row["prompt"] is None
    assert row["response"] is None
    assert row["input_tokens"] > 0
    assert b"a question" not in llmitm.home.database.read_bytes()


def test_a_client_that_does_not_trust_us_is_named_with_the_way_out(llmitm: CommandLine) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("no curl on PATH")
    command = [
        "env",
        "-u",
        "SSL_CERT_FILE",
        "-u",
        "CURL_CA_BUNDLE",
        curl,
        "-sS",
        "https://api.openai.com/",
    ]
    done = llmitm("run", "--", *command)
    assert done.returncode == 60
    (line,) = [line for line in done.stderr.splitlines() if "refused our certificate" in line]
    assert "api.openai.com" in line
    assert "llmitm doctor" in line


def test_wrong_settings_are_an_error_before_anything_is_started(llmitm: CommandLine) -> None:
    llmitm.home.settings.write_text("[log]\nkeep_days = 'x'")
    done = llmitm("run", *python("print('started')"))
    assert (done.returncode, done.stdout) == (3, "")
    assert "keep_days" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_no_program_is_a_matter_of_usage(llmitm: CommandLine) -> None:
    for arguments in (["run"], ["run", "--"], ["run", "-t", "=x", "--", "true"]):
        done = llmitm(*arguments)
        assert done.returncode == 2
        assert "llmitm run" in done.stderr


def test_another_hosts_traffic_passes_untouched(llmitm: CommandLine, tmp_path: Path) -> None:
    report = "import json, os; print(json.dumps({k: v for k, v in os.environ.items()}))"
    environ = json.loads(llmitm("run", "-q", *python(report)).stdout)
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"):
        assert Path(environ[name]).is_file()
