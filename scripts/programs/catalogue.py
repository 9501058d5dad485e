"""The programs: where they come from, how each is run, and what it needs beside the variables of `llmitm run`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

NOTES = "notes.txt"
"""A file in the folder in which each program runs."""


class Package(NamedTuple):
    """What is installed into one folder."""

    registry: Literal["npm", "pypi"]
    names: Sequence[str]
    """The first is the program, the others are its plug-ins."""
    binary: str
    """Below the folder, as a pattern: npm leaves some behind a script that it does not run."""
    python: str = ""
    """The version that the program asks for, where it is not any."""


class Program(NamedTuple):
    """One way to run a program once."""

    name: str
    package: Package
    arguments: Sequence[str]
    environment: Mapping[str, str]
    needs: str = "–"
    """What a user has to set beside their key, in words."""
    files: Mapping[str, str] = {}
    """Files in its home."""
    tool: bool = True
    """Whether it is made to call a tool, so that at least two calls are to be seen."""
    options: Sequence[str] = ()
    """Of `llmitm run`."""
    last: str = ""
    """More arguments, in which a shell puts the variables that `llmitm run` sets."""
    can_replay: bool = False
    """Whether its calls are recorded and, with nobody to answer them, replayed as well."""


CLAUDE = Package(
    "npm", ["@anthropic-ai/claude-code"], "node_modules/@anthropic-ai/claude-code-*/claude"
)
CODEX = Package("npm", ["@openai/codex"], "node_modules/.bin/codex")
GEMINI = Package("npm", ["@google/gemini-cli"], "node_modules/.bin/gemini")
OPENCODE = Package("npm", ["opencode-ai"], "node_modules/opencode-*/bin/opencode")
QWEN = Package("npm", ["@qwen-code/qwen-code"], "node_modules/.bin/qwen")
LLM = Package("pypi", ["llm", "llm-anthropic"], "bin/llm")
AIDER = Package("pypi", ["aider-chat"], "bin/aider", "3.12")

_OPENAI_KEY = "sk-proj-0123456789abcdefghijklmnop"
_ANTHROPIC_KEY = "sk-ant-api03-0123456789abcdefghijklmnop"
"""As the real ones look: for the gateway a word is no key."""
_EXEC = f'Please call exec_command {{"cmd": "cat {NOTES}"}} and tell me'
_HELLO = "Say hello to the proxy in ten words or fewer"
_CODEX = ["exec", "--skip-git-repo-check", "-m", "gpt-5", _EXEC]
_CODEX_OVER_HTTP = """
model_provider = "http"
[model_providers.http]
name = "OpenAI over HTTP"
base_url = "https://api.openai.com/v1"
env_key = "CODEX_API_KEY"
wire_api = "responses"
supports_websockets = false
"""


def _read(tool: str, argument: str) -> str:
    return f'Please call {tool} {{"{argument}": "{NOTES}"}} and tell me what it says'


PROGRAMS = (
    Program(
        "claude",
        CLAUDE,
        ["-p", _read("Read", "file_path")],
        {"ANTHROPIC_API_KEY": "sk-ant-none"},
        can_replay=True,
    ),
    Program(
        "claude, on gpt-5-mini",
        CLAUDE,
        ["--model", "gpt-5-mini", "-p", _read("Read", "file_path")],
        {"ANTHROPIC_API_KEY": "none", "OPENAI_API_KEY": _OPENAI_KEY},
        "`llmitm run --base-url`, `--model`, and the key of the other provider",
        options=["--base-url"],
    ),
    Program(
        "codex, as it is",
        CODEX,
        _CODEX,
        {"CODEX_API_KEY": "sk-none"},
        "its key as `CODEX_API_KEY`",
    ),
    Program(
        "codex, sockets refused",
        CODEX,
        _CODEX,
        {"CODEX_API_KEY": "sk-none"},
        "the same, and `refuse_responses` in llmitm's settings",
        {"llmitm/settings.toml": "[sockets]\nrefuse_responses = true\n"},
    ),
    Program(
        "codex, over HTTP",
        CODEX,
        _CODEX,
        {"CODEX_API_KEY": "sk-none"},
        "the same, and a provider with `supports_websockets = false` in its config.toml",
        {".codex/config.toml": _CODEX_OVER_HTTP},
        can_replay=True,
    ),
    Program(
        "codex, on claude-sonnet-4-5",
        CODEX,
        ["exec", "--skip-git-repo-check", "-m", "claude-sonnet-4-5", _EXEC],
        {"CODEX_API_KEY": "none", "ANTHROPIC_API_KEY": _ANTHROPIC_KEY},
        "the same, and `-c openai_base_url=...`, for it reads no variable",
        options=["--base-url"],
        last='-c openai_base_url="${OPENAI_BASE_URL%/openai/v1}/v1"',
    ),
    Program(
        "gemini",
        GEMINI,
        ["-p", _read("read_file", "file_path")],
        {"GEMINI_API_KEY": "none", "GEMINI_CLI_TRUST_WORKSPACE": "true"},
        "`GEMINI_CLI_TRUST_WORKSPACE` where nobody can be asked",
    ),
    Program(
        "opencode",
        OPENCODE,
        ["run", "-m", "openai/gpt-5", _read("read", "filePath")],
        {"OPENAI_API_KEY": "sk-none"},
    ),
    Program(
        "qwen",
        QWEN,
        ["-p", _read("read_file", "file_path")],
        {
            "OPENAI_API_KEY": "sk-none",
            "OPENAI_BASE_URL": "https://api.openai.com/v1",
            "OPENAI_MODEL": "gpt-4o",
        },
    ),
    Program(
        "aider",
        AIDER,
        [
            *("--yes-always", "--no-git", "--no-check-update", "--no-analytics"),
            *("--no-show-model-warnings", "--model", "gpt-4o-mini", "--message", _HELLO),
        ],
        {"OPENAI_API_KEY": "sk-none"},
        tool=False,
    ),
    Program(
        "llm, OpenAI",
        LLM,
        ["-m", "gpt-4o-mini", "-T", "llm_version", "Please call llm_version {} and tell me"],
        {"OPENAI_API_KEY": "sk-none"},
    ),
    Program(
        "llm, Anthropic",
        LLM,
        ["-m", "claude-sonnet-4.5", _HELLO],
        {"ANTHROPIC_API_KEY": "sk-ant-none"},
        tool=False,
    ),
)
