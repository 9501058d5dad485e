"""Alerts with a real proxy and real receivers: what crosses a line is said once, whatever happens in between."""

from __future__ import annotations

import base64
import json
import signal
import ssl
from contextlib import ExitStack
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from harness import ProxyProcess, running_proxy, until
from llmitm.demo.certificates import issue
from llmitm.demo.provider import LocalProvider
from llmitm.home import Home
from llmitm.store.alerts import AlertFile, Outgoing
from receivers import free_port, hook, mailbox

SECRET = b"0123456789abcdef0123456789abcdef"
WHSEC = "whsec_" + base64.b64encode(SECRET).decode()


def ask(proxy: ProxyProcess, user: str = "alice") -> None:
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "How are you?"}]}
    headers = {
        "authorization": "Bearer none",
        "content-type": "application/json",
        "helicone-user-id": user,
    }
    url = f"{proxy.url}/openai/v1/chat/completions"
    with urlopen(Request(url, json.dumps(body).encode(), headers), timeout=10) as answer:
        answer.read()


def settings(home: Home, text: str) -> None:
    home.create()
    home.settings.write_text(text, "utf-8")


def sent(home: Home) -> list[Outgoing]:
    return AlertFile(home.alerts).history(100) if home.alerts.exists() else []


@pytest.fixture
def tls(tmp_path: Path) -> tuple[Path, ssl.SSLContext]:
    folder = tmp_path / "tls"
    folder.mkdir()
    ca_file, context = issue(folder, ["127.0.0.1"])
    context.set_alpn_protocols(["http/1.1"])
    return ca_file, context


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_receiver_that_is_down_while_the_proxy_restarts_gets_one_message(
    how: signal.Signals, tmp_path: Path, upstream: LocalProvider
) -> None:
    home = Home(tmp_path / "llmitm")
    port = free_port()
    settings(
        home,
        f"""
        [channel.hook]
        kind = "webhook"
        url = "http://127.0.0.1:{port}/hook"
        secret = {{ env = "HOOK_SECRET" }}
        [alert.busy]
        when = "calls >= 2 / day"
        to = "hook"
        """,
    )
    environment = {"HOOK_SECRET": WHSEC}
    with running_proxy("llmitm", home, upstream, environment=environment) as proxy:
        ask(proxy)
        ask(proxy)
        until(lambda: [each for each in sent(home) if each.tries], proxy.said)
        ask(proxy)  # beyond the line, and already said
        proxy.wait_for_rows(3)
        proxy.stop(how)
    (waiting,) = sent(home)
    assert (waiting.state, waiting.message.kind) == ("waiting", "firing")
    with hook(port) as receiver:
        with running_proxy("llmitm", home, upstream, environment=environment) as proxy:
            until(lambda: receiver.posts, proxy.said, 40)
            ask(proxy)
            proxy.wait_for_rows(4)
            # Whoever ends looks once more at all alerts.
            assert proxy.stop() == 0
            assert "Traceback" not in proxy.said()
        (post,) = receiver.posts
    assert post.is_signed(SECRET)
    assert post.headers["webhook-id"] == waiting.message.id
    told = post.json
    assert told["type"] == "alert.firing"
    assert told["data"]["alert"] == "busy"
    assert told["data"]["condition"] == "calls >= 2 / day"
    assert told["data"]["groups"][0]["value"] == "2"
    (after,) = sent(home)
    assert (after.state, after.answer) == ("sent", "200 ok")


def test_mail_and_a_web_hook_over_tls(
    tmp_path: Path, upstream: LocalProvider, tls: tuple[Path, ssl.SSLContext]
) -> None:
    home = Home(tmp_path / "llmitm")
    ca_file, context = tls
    with ExitStack() as stack:
        box = stack.enter_context(mailbox(context, "starttls"))
        receiver = stack.enter_context(hook(context=context))
        settings(
            home,
            f"""
            [channel.slack]
            url = "{receiver.url}"
            ca_file = "{ca_file}"
            [channel.mail]
            kind = "email"
            host = "127.0.0.1"
            port = {box.port}
            user = "{box.user}"
            password = "{box.password}"
            sender = "llmitm@example.com"
            to = ["ann@example.com", "bob@example.com"]
            ca_file = "{ca_file}"
            [alert.dear]
            when = "spend > 0.000001 / day by user"
            to = ["mail", "slack"]
            """,
        )
        with running_proxy("addon", home, upstream) as proxy:
            ask(proxy)
            until(lambda: box.mails and receiver.posts, proxy.said)
            ask(proxy, user="bertha")
            until(lambda: len(box.mails) == 2 and len(receiver.posts) == 2, proxy.said)
            ask(proxy)
            ask(proxy, user="bertha")
            proxy.wait_for_rows(4)
            spent = {row["user"]: row["cost_nanousd"] for row in proxy.all_rows()}
            proxy.stop()
    assert [mail["to"] for mail in box.mails] == ["ann@example.com, bob@example.com"] * 2
    assert box.to[0] == ["ann@example.com", "bob@example.com"]
    assert box.logins == 2
    exact = f"${spent['alice'] / 1e9:.9f}".rstrip("0")
    assert box.mails[0]["subject"] == f"🔴 spend today of user alice is {exact}, above $0.000001"
    text = box.mails[1].get_content()
    assert "user bertha" in text
    assert "llmitm ls --since" in text
    assert "--user bertha" in text
    assert len(receiver.posts) == 2
    assert "user alice" in receiver.posts[0].json["text"]


def test_an_alert_that_is_added_while_the_proxy_runs_is_watched(
    tmp_path: Path, upstream: LocalProvider
) -> None:
    home = Home(tmp_path / "llmitm")
    with hook() as receiver, running_proxy("llmitm", home, upstream) as proxy:
        ask(proxy)
        proxy.wait_for_rows()
        assert not home.alerts.exists()  # who watches nothing leaves nothing
        channel = f'[channel.discord]\nurl = "{receiver.url}"\n'
        settings(home, f'{channel}[alert.any]\nwhen = "calls > 0 / 1h"\nto = "discord"\n')
        until(lambda: receiver.posts, proxy.said)
        proxy.stop()
    (post,) = receiver.posts
    assert post.json["allowed_mentions"] == {"parse": []}
    assert post.json["embeds"][0]["title"] == "🔴 calls in the last hour is 1, above 0"
