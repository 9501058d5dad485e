"""Nobody but the person with the link sees anything: no other site, no name of somebody's, no proxy."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from dashboard.serving import Client, opened, serving
from llmitm.dashboard import security
from llmitm.dashboard.shared import Dashboard
from llmitm.home import Home

PATHS = ("/", "/calls", "/calls/last/raw", "/runs", "/changed", "/nowhere")


@pytest.mark.parametrize("path", PATHS)
def test_nothing_is_shown_without_the_cookie(shown: Dashboard, path: str) -> None:
    answer = Client(shown.port).get(path)
    assert answer.status == 403
    assert "llmitm dashboard" in answer.text
    assert "set-cookie" not in answer.headers
    assert "gpt" not in answer.body


@pytest.mark.parametrize("token", ["", "wrong", "ü"])
def test_a_wrong_token_opens_nothing(shown: Dashboard, token: str) -> None:
    client = Client(shown.port)
    from urllib.parse import quote

    assert client.get(f"/?token={quote(token)}").status == 403
    assert client.get("/").status == 403


def test_the_token_stands_in_the_address_once(shown: Dashboard) -> None:
    client = Client(shown.port)
    answer = client.get(f"/calls?model=gpt-4o-mini&token={shown.keys.token}")
    assert (answer.status, answer.headers["location"]) == (303, "/calls?model=gpt-4o-mini")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert shown.keys.token not in cookie
    page = client.page("/calls")
    assert shown.keys.token not in page.body
    assert shown.keys.session not in page.body


def test_a_cookie_of_another_dashboard_opens_nothing(shown: Dashboard, empty: Home) -> None:
    with serving(empty) as other:
        client = opened(other)
        client.port = shown.port
        client.cookies = {f"llmitm_{shown.port}": other.keys.session}
        assert client.get("/").status == 403


REFUSED: Mapping[str, Mapping[str, str]] = {
    "a name that somebody's DNS points here": {"Host": "evil.example:PORT"},
    "our address at another port": {"Host": "127.0.0.1:1"},
    "no port": {"Host": "127.0.0.1"},
    "an address of the network": {"Host": "192.168.0.7:PORT"},
    "a proxy that tells": {"Via": "1.1 somebody"},
    "a proxy that forwards": {"X-Forwarded-For": "10.0.0.1"},
    "a request to a proxy": {"Proxy-Connection": "keep-alive"},
    "credentials for a proxy": {"Proxy-Authorization": "Basic YTpi"},
    "another site's script": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"},
}


@pytest.mark.parametrize("headers", REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.parametrize("path", ["/calls", "/static/style.css"])
def test_requests_that_are_not_for_us_are_refused(
    client: Client, headers: Mapping[str, str], path: str
) -> None:
    sent = {name: value.replace("PORT", str(client.port)) for name, value in headers.items()}
    answer = client.ask("GET", path, sent)
    assert answer.status == 421
    assert "gpt" not in answer.body


def test_it_is_no_proxy(client: Client) -> None:
    answer = client.ask("GET", f"http://127.0.0.1:{client.port}/calls")
    assert answer.status in (404, 421)
    assert "gpt" not in answer.body


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST"])
def test_names_of_this_machine_are_ours(client: Client, name: str) -> None:
    assert client.ask("GET", "/calls", {"Host": f"{name}:{client.port}"}).status == 200


@pytest.mark.parametrize(
    "path", [*PATHS, "/static/app.js", "/static/nothing.js", "/calls?q=status:x"]
)
def test_every_answer_has_the_headers(client: Client, path: str) -> None:
    answer = client.get(path)
    for name in security.HEADERS:
        assert name.lower() in answer.headers, name
    assert answer.headers["content-security-policy"] == security.POLICY
    assert "server" not in answer.headers
    assert "access-control-allow-origin" not in answer.headers


def test_a_form_of_another_site_does_nothing(client: Client) -> None:
    answer = client.post("/theme", {"theme": "dark"}, xsrf=False)
    assert answer.status == 403
    assert "llmitm_theme" not in client.cookies


def test_a_form_of_ours_does_it_and_goes_back_to_us_only(client: Client) -> None:
    answer = client.post("/theme", {"theme": "dark", "back": "/runs?kind=thread"})
    assert (answer.status, answer.headers["location"]) == (303, "/runs?kind=thread")
    assert 'data-theme="dark"' in client.page("/calls").body
    for back in ("https://evil.example/", "//evil.example/", "/\\evil.example"):
        assert client.post("/theme", {"theme": "dark", "back": back}).headers["location"] == "/"


def test_files_beside_the_static_ones_are_not_given(client: Client) -> None:
    for path in ("/static/../server.py", "/static/%2e%2e/server.py", "/static/..%2fserver.py"):
        assert client.get(path).status in (403, 404)


def test_the_log_is_opened_to_read_only(logged: Home) -> None:
    import sqlite3

    from llmitm.store.reader import reading

    with reading(logged.database) as log, pytest.raises(sqlite3.OperationalError, match="readonly"):
        log.connection.execute("DELETE FROM calls")
