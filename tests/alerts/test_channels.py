"""Channels of alerts: what receivers of each kind get, and what is said where they do not get it."""

from __future__ import annotations

import base64
import json
import shlex
import ssl
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from llmitm.alerts import channels, forms
from llmitm.alerts.entries import ChannelEntry
from llmitm.alerts.http import signature
from llmitm.alerts.messages import Message, compose, load, trial
from llmitm.alerts.sending import NotSentError
from llmitm.cli import make_parser
from llmitm.demo.certificates import issue
from llmitm.policy.alert_conditions import parse
from llmitm.policy.alerting import Event, Measured
from receivers import Security, free_port, hook, mailbox

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
EVIL = "<!channel> @everyone `x` *b* & {message}"


def message(
    *groups: str, text: str = "spend > 50 / day by user", kind: Any = "firing", new: bool = False
) -> Message:
    condition = parse(text)
    events = [
        Event(
            kind, Measured((group,), Decimal("51.2034"), 7), NOW.timestamp() - 60, is_new_window=new
        )
        for group in groups
    ]
    window = condition.window.bounds(NOW, UTC) if condition.window else None
    return compose("01MESSAGE", "dear", condition, events, window, NOW)


def send(entry: Mapping[str, Any], message_: Message, environ: Mapping[str, str] = {}) -> str:
    values = {
        key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()
    }
    channel = ChannelEntry.model_validate(values)
    return channels.send(message_, "it", {"it": channel}, time.time(), environ)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ssl.SSLContext]:
    ca_file, context = issue(tmp_path_factory.mktemp("tls"), ["127.0.0.1"])
    context.set_alpn_protocols(["http/1.1"])
    return str(ca_file), context


def test_a_message_names_all_there_is_to_know() -> None:
    told = message("alice")
    assert told.title == "spend today of user alice is $51.2034, above $50"
    assert told.text.splitlines() == [
        "spend today of user alice is $51.2034, above $50",
        "",
        "Alert       dear: spend > $50 / day by user",
        "user alice  $51.2034 (7 calls)",
        "Threshold   $50",
        "Window      2026-03-01 00:00 to 2026-03-02 00:00 (UTC)",
        "Seen        2026-03-01 12:29:00+00:00",
        "",
        "See the calls:",
        "  llmitm ls --since 2026-03-01T00:00:00+00:00 --until 2026-03-02T00:00:00+00:00 --user alice",
    ]
    assert load(told.dump()) == told


def test_the_end_is_told_with_its_reason() -> None:
    back = message("alice", kind="resolved")
    assert back.title == "resolved: spend today of user alice is $51.2034, no longer above $50"
    over = message("alice", kind="resolved", new=True)
    assert over.title == "resolved: a new day, in which spend of user alice is $51.2034"


def test_many_groups_are_one_message() -> None:
    told = message(*(f"user{number}" for number in range(30)))
    assert told.title == "spend today is above $50 for 30 of user"
    assert (len(told.crossings), told.more) == (20, 10)
    assert told.command.startswith("llmitm stats --by user --since")
    assert ("", "and 10 more") in told.facts


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("error rate > 5% / 1h by property:project", "-t 'project=a b' --errors"),
        ("429 rate > 5% / 1h by program", "--program 'a b' --status 429"),
        ("p95 latency > 5s / 1h by model where user=x", "--user x --model 'a b'"),
    ],
)
def test_the_command_is_one_that_there_is(text: str, command: str) -> None:
    told = message("a b", text=text)
    assert told.command.endswith(command)
    make_parser().parse_args(shlex.split(told.command)[1:])


def test_a_web_hook_is_signed() -> None:
    key = b"k" * 24
    secret = "whsec_" + base64.b64encode(key).decode()
    with hook() as receiver:
        entry = {"kind": "webhook", "url": receiver.url}
        assert send({**entry, "secret": secret}, message("alice")) == "200 ok"
        send({**entry, "secret": {"env": "KEY"}}, message("alice"), {"KEY": "plain"})
        send(entry, message("alice"))
    first, second, third = receiver.posts
    assert first.is_signed(key)
    assert not first.is_signed(b"another")
    assert second.is_signed(b"plain")
    assert "webhook-signature" not in third.headers
    assert first.headers["webhook-id"] == "01MESSAGE"
    assert first.json["data"]["groups"] == [
        {
            "group": {"user": "alice"},
            "value": "51.2034",
            "shown": "$51.2034",
            "calls": 7,
            "since": "2026-03-01T12:29:00.000Z",
        }
    ]


def test_the_signature_is_that_of_the_specification() -> None:
    # The example of https://github.com/standard-webhooks/standard-webhooks/blob/main/libraries/python/tests
    headers = signature(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("kind", ["slack", "discord", "teams"])
def test_names_have_no_meaning_to_the_receiver(kind: str) -> None:
    with hook() as receiver:
        assert send({"kind": kind, "url": receiver.url}, message(EVIL)) == "200 ok"
    (post,) = receiver.posts
    body = post.json
    if kind == "slack":
        assert "<!" not in json.dumps(body)
        assert "&lt;!channel&gt;" in body["text"]
        assert [block["type"] for block in body["blocks"]] == ["section", "section", "context"]
    elif kind == "discord":
        assert body["allowed_mentions"] == {"parse": []}
        assert body["embeds"][0]["color"] == 0xD93025
        assert body["embeds"][0]["fields"][-1]["value"].count("`") == 6
    else:
        (card,) = body["attachments"]
        assert card["contentType"] == "application/vnd.microsoft.card.adaptive"
        assert card["content"]["type"] == "AdaptiveCard"
        assert card["content"]["body"][0]["color"] == "Attention"
        assert "\\*b\\*" in card["content"]["body"][0]["text"]


def test_long_messages_stay_within_the_limits_of_discord_and_slack() -> None:
    told = message(*(f"{number}" + "x" * 2_000 for number in range(30)))
    embed = forms.discord(told)["embeds"][0]
    assert len(embed["title"]) <= 256
    assert len(embed["fields"]) <= 25
    size = len(embed["title"]) + sum(len(f["name"]) + len(f["value"]) for f in embed["fields"])
    assert size <= 6_000
    for block in forms.slack(told)["blocks"][:2]:
        assert len(block["text"]["text"]) <= 3_000


@pytest.mark.parametrize("security", ["starttls", "tls", "none"])
def test_mail(security: Security, tls: tuple[str, ssl.SSLContext]) -> None:
    ca_file, context = tls
    with mailbox(None if security == "none" else context, security) as box:
        entry = {
            "kind": "email",
            "host": "127.0.0.1",
            "port": box.port,
            "security": security,
            "user": box.user,
            "password": box.password,
            "sender": "llmitm@example.com",
            "to": ["ann@example.com"],
            "ca_file": ca_file,
        }
        assert send(entry, message("ärger")) == "accepted"
        with pytest.raises(NotSentError, match=r"535 5\.7\.8 wrong user or password"):
            send({**entry, "password": "another"}, message("ärger"))
        box.refuses["ann@example.com"] = b"550 5.1.1 nobody here"
        with pytest.raises(NotSentError, match=r"ann@example\.com .550 5.1.1 nobody here"):
            send(entry, message("ärger"))
        if security != "none":
            with pytest.raises(NotSentError, match="its certificate is not trusted"):
                send({**entry, "ca_file": None}, message("ärger"))
    (mail,) = box.mails
    assert mail["subject"] == "🔴 spend today of user ärger is $51.2034, above $50"
    assert mail["message-id"] == "<01MESSAGE@example.com>"
    assert mail["auto-submitted"] == "auto-generated"
    assert mail.get_content().splitlines()[3].startswith("user ärger  $51.2034")


def test_mail_has_a_sender_where_the_user_has_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise OSError("no username set in the environment")

    monkeypatch.setattr("getpass.getuser", nameless)
    entry = ChannelEntry(kind="email", host="h", to=("a@b",))
    assert channels._sender(entry).startswith("llmitm@")
    assert channels._sender(entry.model_copy(update={"user": "me@x.org"})) == "me@x.org"


@pytest.mark.parametrize(
    ("answer", "said", "wait"),
    [
        ((404, {}, b"no_service"), "404 no_service", None),
        ((429, {"retry-after": "30"}, b""), "429", 30),
        ((302, {"location": "http://127.0.0.1/"}, b""), "302", None),
    ],
)
def test_what_a_receiver_says_is_shown(answer: Any, said: str, wait: float | None) -> None:
    with hook() as receiver:
        receiver.answers.append(answer)
        with pytest.raises(NotSentError) as caught:
            send({"kind": "webhook", "url": receiver.url}, message("a"))
    assert str(caught.value) == said
    assert caught.value.retry_after == wait


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"kind": "slack", "url": {"env": "NOT_SET"}}, "the variable NOT_SET is not set"),
        ({"kind": "slack", "url": "ftp://x/secret"}, "no http:// or https:// address"),
        ({"kind": "slack", "url": "http://127.0.0.1:99999/secret"}, "."),
        ({"kind": "webhook", "url": "http://127.0.0.1:{port}/secret"}, "Connection refused"),
        ({"kind": "webhook", "url": "http://127.0.0.1/", "secret": "whsec_?"}, "no base64"),
        ({"kind": "webhook", "url": "https://127.0.0.1/", "ca_file": "/none"}, "cannot be read"),
        ({"kind": "command", "command": ["/no/such/program"]}, "cannot be run: .*No such file"),
        (
            {"kind": "command", "command": [sys.executable, "-c", "print('no'); exit(3)"]},
            "ended with 3: no",
        ),
        ({"kind": "email", "host": "127.0.0.1", "port": "{port}", "to": ["a@b"]}, "refused"),
    ],
)
def test_faults_are_named_without_secrets(entry: dict[str, Any], said: str) -> None:
    port = free_port()
    if "url" in entry and isinstance(entry["url"], str):
        entry = {**entry, "url": entry["url"].replace("{port}", str(port))}
    if entry.get("port"):
        entry = {**entry, "port": port}
    with pytest.raises(NotSentError, match=said) as caught:
        send(entry, message("a"))
    assert "secret/" not in str(caught.value)
    assert "/secret" not in str(caught.value)


def test_a_command_gets_the_message_as_words_and_variables(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    script = (
        "import json, os, sys; own = {k: v for k, v in os.environ.items() if k.startswith('LLMITM_ALERT')};"
        f"json.dump([sys.argv[1:], own], open({str(out)!r}, 'w'))"
    )
    told = message(EVIL)
    command = [sys.executable, "-c", script, "{title}!", "{facts}", "{none}"]
    assert send({"kind": "command", "command": command}, told) == "done"
    words, variables = json.loads(out.read_text())
    assert words[0] == f"🔴 {told.title}!"
    assert EVIL in words[0]  # what is put in is not looked at again
    assert words[2] == "{none}"
    assert load(variables["LLMITM_ALERT"]) == told
    assert variables["LLMITM_ALERT_KIND"] == "firing"
    send({"kind": "command", "command": [sys.executable, "-c", script]}, told)
    assert json.loads(out.read_text())[0] == [told.text]


def test_a_trial_can_be_put_into_every_form() -> None:
    told = trial("01ID", "dear", "spend > $50 / day", NOW)
    for form in (forms.slack, forms.discord, forms.teams, forms.webhook):
        assert "test of the alert dear" in json.dumps(form(told))
