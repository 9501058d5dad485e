"""Names of programs: one test for each rule."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmitm.callers import programs

_NODE_MODULES = "/home/me/app/node_modules"


@pytest.mark.parametrize(
    ("line", "name"),
    [
        # a program of its own
        ("curl https://api.openai.com", "curl"),
        ("/usr/local/bin/claude -p hello", "claude"),
        ("./agent --fast", "agent"),
        ("-zsh", "zsh"),
        # Python
        ("python my_agent.py", "my_agent.py"),
        ("/usr/bin/python3.13 -u -X dev /srv/app/my_agent.py --port 1", "my_agent.py"),
        ("python3 -W error -m uvicorn app:main", "uvicorn"),
        ("python -m app.server", "app.server"),
        ("python -c print(1)", "python"),
        ("python - x.py", "python"),
        ("python", "python"),
        ("/opt/Python.framework/Python agent.py", "agent.py"),
        ("python3.13t agent.py", "agent.py"),
        ("pypy3 agent.py", "agent.py"),
        ("/venv/bin/python /venv/bin/aider --model x", "aider"),
        ("python /srv/agent/__main__.py", "agent"),
        ("python /srv/agent/", "agent"),
        ("python -m debugpy --listen 5678 agent.py", "agent.py"),
        ("python -m debugpy --listen 5678 -m agent", "agent"),
        ("python -m coverage run --source src -m pytest", "pytest"),
        ("python -m pdb agent.py", "agent.py"),
        ("python -m pdb", "pdb"),
        # Node
        ("node server.js", "server.js"),
        ("node --max-old-space-size=4096 --inspect server.js", "server.js"),
        ("nodejs -e 1", "node"),
        (
            f"node --require {_NODE_MODULES}/tsx/dist/preflight.cjs --import file:///x/loader.mjs x.ts",
            "x.ts",
        ),
        (f"node {_NODE_MODULES}/tsx/dist/cli.mjs x.ts", "x.ts"),
        (f"node {_NODE_MODULES}/.bin/tsx --tsconfig t.json src/x.ts", "x.ts"),
        (f"node {_NODE_MODULES}/tsx/dist/cli.mjs -e 1", "tsx"),
        (
            f"node {_NODE_MODULES}/@anthropic-ai/claude-code/cli.js -p hello",
            "@anthropic-ai/claude-code",
        ),
        ("node /usr/lib/node_modules/npm/bin/npm-cli.js start", "npm"),
        (f"node {_NODE_MODULES}/a/node_modules/b/index.js", "b"),
        # others
        ("bun run agent.ts", "agent.ts"),
        ("bun agent.ts", "agent.ts"),
        ("deno run --allow-net agent.ts", "agent.ts"),
        ("ruby -I lib agent.rb", "agent.rb"),
        ("ruby3.2 -e 1", "ruby"),
        ("perl -w agent.pl", "agent.pl"),
        ("php8.3 -f agent.php", "agent.php"),
        ("php artisan queue:work", "artisan"),
        ("java -Xmx1g -cp lib/a.jar:lib/b.jar com.example.Agent run", "com.example.Agent"),
        ("java -jar /srv/agent.jar --x", "agent.jar"),
        ("dotnet exec bin/agent.dll", "agent.dll"),
        ("bash ./calls.sh", "calls.sh"),
        ("bash -c curl", "bash"),
    ],
)
def test_a_command_line(line: str, name: str) -> None:
    assert programs.name(line.split()) == name


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("nginx: worker process", "nginx"),
        ("npm run dev", "npm"),
        ("claude", "claude"),
        ("/opt/google/chrome/chrome --type=utility --lang=en", "chrome"),
        ("/Applications/My Agent.app/Contents/MacOS/My Agent", "My Agent"),
    ],
)
def test_a_title_that_the_process_wrote_itself(title: str, name: str) -> None:
    assert programs.name([title]) == name


def test_the_executable_where_there_is_no_command_line() -> None:
    assert programs.name([], "/usr/bin/agent") == "agent"
    assert programs.name([""], "/usr/bin/python3") == "python"
    assert programs.name([]) is None


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("/usr/lib/git-core/git-remote-https origin https://x", True),
        ("python -c 'from multiprocessing.spawn import spawn_main; spawn_main(1)' x", True),
        ("python -c 'from multiprocessing.forkserver import main; main(1)'", True),
        ("frozen-agent --multiprocessing-fork pipe=1", True),
        ("python -m joblib.externals.loky.backend.popen_loky_posix --pipe 1", True),
        ("python -u -c 'import sys;exec(eval(sys.stdin.readline()))'", True),
        ("git push", False),
        ("python agent.py", False),
        ("python -c 'import multiprocessing'", False),
    ],
)
def test_helpers(line: str, expected: bool) -> None:
    assert programs.is_helper(shlex.split(line)) is expected


@pytest.mark.parametrize("name", sorted(programs.FORWARDERS))
def test_forwarders(name: str) -> None:
    assert programs.is_forwarder([f"/usr/bin/{name}", "-x"], None)
    assert programs.is_forwarder([], f"/usr/bin/{name}")
    assert not programs.is_forwarder([f"my-{name}"], f"/usr/bin/{name}.py")


@given(st.lists(st.text() | st.sampled_from(["python", "-m", "node", "-", "-c", "/", "tsx"])))
def test_hostile_command_lines(line: list[str]) -> None:
    name = programs.name(line, "/bin/x")
    assert name is None or (name == name.strip() and 0 < len(name) <= 100)
    programs.is_helper(line)
    programs.is_forwarder(line, None)


def test_a_name_can_be_stored() -> None:
    assert programs.name(["a\udcffb\x1b[31m\n"]) == "ab[31m"
