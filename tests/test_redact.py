from __future__ import annotations

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmitm.redact import REDACTED, Redactor, spellings

REDACTOR = Redactor()
WORD = (string.ascii_letters + string.digits)[::-1]
HEX = "0123456789abcdef" * 4
UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

KEYS = {
    "openai": f"sk-proj-{WORD[:40]}_-{WORD[:20]}",
    "anthropic": f"sk-ant-api03-{WORD[:40]}",
    "cerebras": f"csk-{WORD[:40]}",
    "google": f"AIza{WORD[:35]}",
    "google's new": f"AQ.Ab8{WORD[:40]}",
    "google's token": f"ya29.{WORD[:40]}",
    "groq": f"gsk_{WORD[:40]}",
    "xai": f"xai-{WORD[:60]}",
    "huggingface": f"hf_{WORD[:34]}",
    "fireworks": f"fw_{WORD[:24]}",
    "replicate": f"r8_{WORD[:37]}",
    "vercel": f"vck_{WORD[:40]}",
    "perplexity": f"pplx-{WORD[:48]}",
    "nvidia": f"nvapi-{WORD[:60]}",
    "together": f"tgp_v1_{WORD[:40]}",
    "databricks": f"dapi{HEX[:32]}",
    "aws": f"AKIA{UPPER[:16]}",
    "aws for a while": f"ASIA{UPPER[:16]}",
    "bedrock": f"ABSK{WORD[:60]}/+==",
    "github": f"ghp_{WORD[:36]}",
    "github's fine one": f"github_pat_{WORD[:22]}_{WORD[:40]}",
    "jwt": f"eyJ{WORD[:20]}.eyJ{WORD[:20]}.{WORD[:20]}",
    "azure's token": f"Bearer {WORD[:30]}/+{WORD[:10]}==",
    "private": "-----BEGIN RSA PRIVATE KEY-----\\nMIIE\\n-----END RSA PRIVATE KEY-----",
}


@pytest.mark.parametrize("name", KEYS)
def test_known_keys_are_struck_out_anywhere(name: str) -> None:
    key = KEYS[name]
    secret = key.removeprefix("Bearer ")
    for text in (key, f'"{key}"', f"a {key}, b", f"key={key}&x=1", f"({key})"):
        assert secret not in REDACTOR.text(text)
        assert REDACTED in REDACTOR.text(text)


@pytest.mark.parametrize("name", KEYS)
def test_json_stays_json(name: str) -> None:
    document = {"messages": [{"content": f"my key is {KEYS[name]} ok"}, {"content": "next"}]}
    assert json.loads(REDACTOR.text(json.dumps(document)))["messages"][1] == {"content": "next"}


def test_the_start_of_a_private_key_alone_takes_nothing_with_it() -> None:
    texts = ["-----BEGIN PRIVATE KEY-----", "between", KEYS["private"]]
    struck = json.loads(REDACTOR.text(json.dumps(texts)))
    assert struck[:2] == texts[:2]
    assert "MIIE" not in struck[2]


@pytest.mark.parametrize(
    "text",
    [
        "ask-me-anything-about-this-long-thing",
        "task-force-of-a-hundred-people",
        "half_of_the_things_that_we_know",
        "Bearer tokens are used here",
        "-----BEGIN CERTIFICATE-----",
        f"data:image/png;base64,iVBORw0KGgo/+AKIA{UPPER}ABSK{WORD}",
        f"data:image/png;base64,iVBORw0KGgoAIza{WORD[:35]}",
        "sk-short",
    ],
)
def test_other_text_stays(text: str) -> None:
    assert REDACTOR.text(text) == text


@pytest.mark.parametrize(
    ("secret", "text"),
    [
        ("hunter2hunter2", "wrong key: hunter2hunter2"),
        ("ab/cd+ef==", r'"ab\/cd+ef=="'),
        ("ab/cd+ef==", "/x?y=ab%2Fcd%2Bef%3D%3D"),
    ],
)
def test_the_keys_of_the_call_are_struck_out_however_they_look(secret: str, text: str) -> None:
    assert REDACTED in REDACTOR.text(text, spellings([secret]))
    assert REDACTOR.text(text, []) == text


@pytest.mark.parametrize("word", ["ollama", "EMPTY", "lm-studio", "not-needed", "test"])
def test_a_word_in_place_of_a_key_is_no_secret(word: str) -> None:
    text = f"which model does {word} run?"
    assert REDACTOR.text(text, spellings([word])) == text


@pytest.mark.parametrize(
    "name",
    [
        "key",
        "api_key",
        "api-key",
        "apikey",
        "KEY",
        "access_token",
        "token",
        "sig",
        "X-Amz-Signature",
        "x-goog-signature",
        "x-amz-security-token",
        "subscription-key",
        "client_secret",
        "upload_id",
    ],
)
def test_secret_parameters_of_a_path(name: str) -> None:
    path = f"/v1/models?alt=sse&{name}=q1w2&page=2"
    assert REDACTOR.path(path) == f"/v1/models?alt=sse&{name}={REDACTED}&page=2"


def test_other_parameters_of_a_path_stay() -> None:
    path = "/v1/models?monkey=1&pageToken=x&max_tokens=5"
    assert REDACTOR.path(path) == path


def test_a_key_in_the_path_itself() -> None:
    assert REDACTOR.path(f"/v1/{KEYS['openai']}/x") == f"/v1/{REDACTED}/x"
    assert REDACTOR.path("/tenant/hunter2hunter2", ["hunter2hunter2"]) == f"/tenant/{REDACTED}"


def test_patterns_of_the_user() -> None:
    own = Redactor([r"\b\d{3}-\d{4}\b", "Project X"])
    assert own.text("Project X, call 555-1234") == f"{REDACTED}, call {REDACTED}"


@given(
    text=st.text(),
    key=st.sampled_from(list(KEYS.values())),
    # A placeholder that stands in for a key ("anything") is no secret, and has no spellings.
    secret=st.text(min_size=8).filter(lambda s: s not in REDACTED and bool(spellings([s]))),
)
def test_no_text_hides_a_secret_of_the_call(text: str, key: str, secret: str) -> None:
    struck = REDACTOR.text(f"{text}{secret}{text} {key}", spellings([secret, key]))
    assert not any(secret in piece for piece in struck.split(REDACTED))


@pytest.mark.parametrize(
    "start", ["eyJ", "eyJhbGciOiJIUzI1NiJ9", "-----BEGIN PRIVATE KEY-----", "-----END "]
)
def test_many_starts_without_an_end_stay_and_take_no_time(start: str) -> None:
    text = f'-----BEGIN PRIVATE KEY-----{start * 100_000}"'
    assert Redactor().text(text) == text
