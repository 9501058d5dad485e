"""The table of variables: nothing of the user's is lost, and all of it can be undone."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmitm.environment import PRELOAD, REPLACED, TABLE, base_urls, names, original, variables

CA, BUNDLE = Path("/home/me/.llmitm/ca.pem"), Path("/home/me/.llmitm/bundle.pem")
URL = "http://127.0.0.1:8080"

VALUES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
ENVIRONMENTS = st.dictionaries(
    st.sampled_from([*names(), "PYTHONPATH", "OPENAI_BASE_URL", "PATH"]), VALUES
)


def made(base: dict[str, str] | None = None, **options: bool) -> dict[str, str]:
    return variables(URL, CA, BUNDLE, base or {}, **options)


def test_sets_what_each_client_was_measured_to_need() -> None:
    set_ = made()
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "grpc_proxy"):
        assert set_[name] == URL
    for name in (
        *("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE", "CURL_CA_BUNDLE"),
        *("GIT_SSL_CAINFO", "PIP_CERT", "CODEX_CA_CERTIFICATE", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"),
    ):
        assert set_[name] == str(BUNDLE)
    for name in ("NODE_EXTRA_CA_CERTS", "DENO_CERT"):
        assert set_[name] == str(CA)
    assert set_["NODE_USE_ENV_PROXY"] == "1"
    assert set_["NO_PROXY"] == set_["no_proxy"] == "localhost,127.0.0.1,::1"


def test_no_variable_stands_twice_and_each_row_says_for_whom() -> None:
    assert len(names()) == len(set(names()))
    assert all(row.who for row in TABLE)


def test_the_files_that_it_names_are_there() -> None:
    assert (PRELOAD / "node" / "preload.cjs").is_file()
    assert (PRELOAD / "aiohttp" / "sitecustomize.py").is_file()


def test_lists_of_the_users_are_appended_to() -> None:
    set_ = made(
        {
            "NO_PROXY": ".corp.example, 10.0.0.1",
            "no_proxy": "localhost",
            "NODE_OPTIONS": "--no-deprecation",
        }
        | {"JAVA_TOOL_OPTIONS": "-Xmx1g", "PYTHONPATH": "src"},
        aiohttp=True,
    )
    assert set_["NO_PROXY"] == set_["no_proxy"] == ".corp.example,10.0.0.1,localhost,127.0.0.1,::1"
    assert set_["NODE_OPTIONS"].startswith("--no-deprecation --require=")
    assert set_["JAVA_TOOL_OPTIONS"].startswith("-Xmx1g -D")
    assert "-Dhttp.nonProxyHosts=*.corp.example|10.0.0.1|localhost" in set_["JAVA_TOOL_OPTIONS"]
    assert set_["PYTHONPATH"] == f"{PRELOAD / 'aiohttp'}:src"


def test_an_adding_variable_of_the_users_gets_the_bundle_that_holds_their_file() -> None:
    assert made({"NODE_EXTRA_CA_CERTS": "/corp.pem"})["NODE_EXTRA_CA_CERTS"] == str(BUNDLE)


def test_the_shim_for_aiohttp_is_loaded_only_when_asked_for() -> None:
    assert "PYTHONPATH" not in made({"PYTHONPATH": "src"})


@given(ENVIRONMENTS)
def test_all_of_it_can_be_undone(base: dict[str, str]) -> None:
    once = {**base, **made(base, aiohttp=True)}
    assert original(once) == base
    assert {**once, **made(once, aiohttp=True)} == once
    urls, _ = base_urls(URL, {}, base)
    assert original({**base, **urls}) == base


def test_what_the_user_has_set_anew_meanwhile_stays() -> None:
    shell = {**made({"SSL_CERT_FILE": "/old.pem"}), "SSL_CERT_FILE": "/new.pem"}
    assert original(shell) == {
        "SSL_CERT_FILE": "/new.pem",
    }


@pytest.mark.parametrize("value", ["", "[]", "{", "1", '{"A": 1}', '{"A": [1]}', "null"])
def test_a_spoiled_note_undoes_nothing_and_harms_nothing(value: str) -> None:
    assert original({REPLACED: value, "A": "b"})["A"] == "b"


def test_base_urls_are_those_that_sdks_append_their_paths_to() -> None:
    set_, kept = base_urls(URL, {}, {})
    assert set_["OPENAI_BASE_URL"] == f"{URL}/openai/v1"
    assert set_["ANTHROPIC_BASE_URL"] == f"{URL}/anthropic"
    assert set_["GOOGLE_GEMINI_BASE_URL"] == f"{URL}/gemini"
    assert not kept
    tagged, _ = base_urls(URL, {"project": "a/b"}, {})
    assert tagged["OPENAI_BASE_URL"] == f"{URL}/t/project=a%2Fb/openai/v1"


def test_a_base_url_of_the_users_stays_for_its_key_must_not_go_elsewhere() -> None:
    base = {"OPENAI_BASE_URL": "https://openrouter.ai/api/v1"}
    set_, kept = base_urls(URL, {}, base)
    assert kept == ["OPENAI_BASE_URL"]
    assert "OPENAI_BASE_URL" not in set_


@pytest.mark.parametrize("folder", ["plain", "with space"])
def test_node_and_java_read_paths_with_spaces(tmp_path: Path, folder: str) -> None:
    preload = tmp_path / folder
    shutil.copytree(PRELOAD, preload)
    set_ = variables(URL, CA, tmp_path / folder / "bundle.pem", {}, preload=preload)
    found = {"node": shutil.which("node"), "java": shutil.which("java")}
    if not all(found.values()):
        pytest.skip(f"not on PATH: {[name for name, path in found.items() if not path]}")
    base = {key: value for key, value in os.environ.items() if key not in names()}
    environ = {**base, **set_}
    del environ["NODE_EXTRA_CA_CERTS"]  # Node says so where the file is missing
    script = "console.log(Object.keys(require.cache).length, process.execArgv.length)"
    node = subprocess.run(
        ["node", "-e", script], env=environ, capture_output=True, text=True, check=True
    )
    assert node.stderr == ""
    command = ["java", "-XshowSettings:properties", "-version"]
    java = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    assert f"javax.net.ssl.trustStore = {preload / 'bundle.p12'}" in java.stderr
