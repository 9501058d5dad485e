"""Command lines without their secrets, in many spellings."""

from __future__ import annotations

import shlex
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmitm.callers.arguments import without_secrets
from llmitm.redact import REDACTED, Redactor

SECRET = "hunter2-Xy9"
"""Of no known shape: only its place tells that it is secret."""


def clean(line: str) -> str:
    return without_secrets(shlex.split(line), Redactor())


@pytest.mark.parametrize(
    "line",
    [
        "agent --api-key {}",
        "agent --api-key={}",
        "agent --api_key {}",
        "agent --apikey={}",
        "agent --apiKey {}",
        "agent --openaiApiKey={}",
        "agent --openai-api-key {}",
        "agent -api-key {}",
        "agent --key {}",
        "agent --token {}",
        "agent --hf-token={}",
        "agent --access-token {}",
        "agent --auth-token={}",
        "agent --secret {}",
        "agent --client-secret={}",
        "agent --aws-secret-access-key {}",
        "agent --password {}",
        "agent --db-password={}",
        "agent --passwd {}",
        "agent --pass {}",
        "agent --passphrase {}",
        "agent --credentials {}",
        "agent --bearer {}",
        "agent --authorization {}",
        "agent --auth={}",
        "agent --password -{}",
        "agent OPENAI_API_KEY={}",
        "env KEY={} agent",
        "env GITHUB_TOKEN={} DB_PASSWORD={} agent",
        "agent --env OPENAI_API_KEY={}",
        "agent -e OPENAI_API_KEY={}",
        "agent --env=OPENAI_API_KEY={}",
        "java -Dopenai.api-key={} -Dspring.datasource.password={} -jar a.jar",
        "curl -H 'Authorization: Bearer {}' https://x",
        "curl -H 'x-api-key: {}' https://x",
        "curl -H 'X-Api-Key:{}' https://x",
        "curl -H 'api-key: {}' https://x",
        "curl -H 'Cookie: a={}; b={}' https://x",
        "curl --header='authorization: Basic {}' https://x",
        "curl -u me:{} https://x",
        "curl -ume:{} https://x",
        "curl --user me:{} https://x",
        "curl --proxy-user me:{} https://x",
        "curl https://me:{}@example.com/a",
        "curl https://{}@example.com/a",
        "curl 'https://example.com/a?key={}'",
        "curl 'https://example.com/a?x=1&api_key={}&y=2'",
        "curl 'https://example.com/a?access_token={}#x'",
        "psql postgres://me:{}@db/name",
        "agent --database-url=postgres://me:{}@db/name",
        "agent --dsn=https://{}@sentry.example/1",
        """agent --config '{{"api_key": "{}", "model": "m"}}'""",
        """agent --config '{{"apiKey":"{}"}}'""",
        """agent --config '{{"apiKey":"\\"{}"}}'""",
        "agent --option 'password={} host=db'",
        "sh -c 'OPENAI_API_KEY={} python agent.py'",
        "sh -c 'agent --api-key {} --fast'",
        "sh -c 'curl -H \"Authorization: Bearer {}\" https://x'",
        "mysql -p{}",
        "curl -sSu me:{} https://x",
        "sh -c 'curl -u me:{} https://x'",
        "docker-compose run -u me:{}",
        "curl https://me:a@{}@example.com/a",
        "env PGPASSWORD={} psql",
        "keytool -storepass {}",
        "openssl -passin {}",
        """agent --config '{{"tokens": 1, "token": ["a", "{}"]}}'""",
        "agent '--token\n{}'",
        "sshpass -p {} ssh x",
        "agent bearer {}",
        "agent 'Bearer {}'",
    ],
)
def test_secrets_by_their_place(line: str) -> None:
    struck = clean(line.replace("{{", "{").replace("}}", "}").replace("{}", SECRET))
    assert SECRET not in struck
    assert REDACTED in struck
    assert struck.split()[0] == line.split()[0]


@pytest.mark.parametrize(
    "key",
    [
        "sk-proj-" + "a1B2" * 10,
        "AIza" + "a1B2" * 9,
        "ghp_" + "a1B2" * 9,
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefghijklmnop",
    ],
)
def test_secrets_by_their_shape(key: str) -> None:
    for line in (f"agent {key}", f"agent --model={key}", f"agent run 'with {key} inside'"):
        assert key not in clean(line)


@pytest.mark.parametrize(
    "line",
    [
        "agent --max-tokens 100 --model gpt-5.4-mini",
        "agent --tokenizer o200k --author me --path /a/b",
        "agent 'what is the capital of France?' --json",
        "curl 'https://example.com/a?b=1' -H 'content-type: application/json'",
        "python -m uvicorn app:main --port 8000",
        "java -Xmx1g -Duser.language=en -jar a.jar",
        "agent --keyboard us --monkey 1",
    ],
)
def test_the_rest_stays(line: str) -> None:
    assert clean(line) == line


def test_what_stands_around_stays() -> None:
    assert clean(f"agent --api-key {SECRET} --fast") == f"agent --api-key {REDACTED} --fast"
    assert clean(f"agent --key={SECRET} x") == f"agent --key={REDACTED} x"
    assert clean(f"env A_TOKEN={SECRET} agent") == f"env A_TOKEN={REDACTED} agent"
    assert clean("agent --token --fast") == "agent --token --fast"


def test_lines_that_were_cut_at_their_spaces() -> None:
    title = [f"agent --token {SECRET} -H Authorization: Bearer {SECRET} -H x-api-key: {SECRET}"]
    assert SECRET not in without_secrets(title, Redactor())
    assert SECRET not in without_secrets(title[0].split(), Redactor())


def test_the_users_own_patterns() -> None:
    assert without_secrets(["agent", "K-123"], Redactor([r"K-\d+"])) == f"agent {REDACTED}"


@pytest.mark.parametrize("unit", ["a", "a-", "a=", "a:", '"', "-a ", '"a":', "a+", "://", "?a"])
def test_long_arguments_take_no_time(unit: str) -> None:
    started = time.process_time()
    without_secrets(["agent", unit * (7_900 // len(unit))], Redactor())
    assert time.process_time() - started < 1


def test_what_is_very_long_is_left_out() -> None:
    assert without_secrets(["claude", "-p", "x" * 10_000, "--fast"], Redactor()) == "claude -p …"


@given(st.lists(st.text()))
def test_hostile_arguments(line: list[str]) -> None:
    without_secrets(line, Redactor())


@given(
    st.sampled_from(["--api-key", "--token", "--password"]), st.text("abcXYZ019=_/+.", min_size=8)
)
def test_any_value(option: str, secret: str) -> None:
    for line in (["agent", option, secret], ["agent", f"{option}={secret}"]):
        assert without_secrets(line, Redactor()).endswith(REDACTED)
