from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pytest

from llmitm.calls import Exchange, Prompt
from llmitm.identity import client_retry, credentials, identify

UUID = "0b5f9a52-3c1d-4a6f-9d27-6f3f2f0f8a11"


def exchange(
    *headers: tuple[str, str], path: str = "/v1/x", tags: Mapping[str, str] | None = None
) -> Exchange:
    return Exchange(
        id="01J",
        started_at=0.0,
        method="POST",
        scheme="https",
        host="api.openai.com",
        port=443,
        path=path,
        request_headers=headers,
        request_body=b"",
        tags=tags or {},
    )


def test_control_headers_say_who_and_what() -> None:
    who = identify(
        exchange(
            ("Helicone-User-Id", "ann"),
            ("Helicone-Request-Id", UUID.upper()),
            ("Helicone-Session-Id", "s1"),
            ("Helicone-Session-Name", "Research"),
            ("Helicone-Session-Path", "/research/summarise"),
            ("Helicone-Prompt-Id", "p1"),
            ("Helicone-Model-Override", "gpt-4o"),
            ("Helicone-Omit-Request", "true"),
            ("User-Agent", "OpenAI/Python 2.1"),
        ),
        Prompt(),
    )
    assert (who.user, who.request_id, who.prompt_id) == ("ann", UUID, "p1")
    assert (who.session_id, who.session_name, who.session_path) == (
        "s1",
        "Research",
        "/research/summarise",
    )
    assert (who.model_override, who.client) == ("gpt-4o", "OpenAI/Python 2.1")
    assert (who.omit_request, who.omit_response) == (True, False)
    assert who.notes == []


@pytest.mark.parametrize(
    ("headers", "tags", "body", "user"),
    [
        ((("helicone-user-id", "a"), ("helicone-property-userid", "b")), {"user": "c"}, "d", "a"),
        ((("helicone-property-UserId", "b"),), {"user": "c"}, "d", "c"),
        ((("helicone-property-UserId", "b"),), {}, "d", "b"),
        ((), {}, "d", "d"),
        ((), {}, None, None),
    ],
)
def test_the_user_is_who_is_named_first(
    headers: Sequence[tuple[str, str]], tags: Mapping[str, str], body: str | None, user: str | None
) -> None:
    assert identify(exchange(*headers, tags=tags), Prompt(user=body)).user == user


def test_claude_code_names_its_session_in_the_user() -> None:
    user = json.dumps({"device_id": "dev", "account_uuid": "acc", "session_id": "ses"})
    who = identify(exchange(), Prompt(user=user))
    assert (who.user, who.session_id) == ("acc", "ses")
    assert identify(exchange(), Prompt(user="{broken")).user == "{broken"
    assert identify(exchange(), Prompt(user='{"session_id": 5}')).session_id is None


def test_tags_of_the_run_are_identity_or_properties() -> None:
    who = identify(
        exchange(tags={"run_id": "r", "session": "s", "session_name": "n", "team": "x"}), Prompt()
    )
    assert (who.run_id, who.session_id, who.session_name) == ("r", "s", "n")
    assert who.properties == {"team": "x"}


def test_a_property_keeps_its_first_spelling_and_its_last_value() -> None:
    who = identify(
        exchange(
            ("Helicone-Property-Team", "one"),
            ("helicone-property-TEAM", "two"),
            ("helicone-property-stage", "test"),
            ("Helicone-Property-", "nameless"),
            tags={"Stage": "tag"},
        ),
        Prompt(),
    )
    assert who.properties == {"Stage": "test", "Team": "two"}


def test_a_request_id_that_is_none_is_replaced_by_the_one_that_was_echoed() -> None:
    call = exchange(("helicone-request-id", "nonsense"))
    call.request_id = UUID
    who = identify(call, Prompt())
    assert who.request_id == UUID
    assert who.notes == ["Helicone-Request-Id 'nonsense' is not a UUID and was replaced"]


@pytest.mark.parametrize("value", ["True", "1", "yes", ""])
def test_only_true_omits(value: str) -> None:
    who = identify(exchange(("Helicone-Omit-Response", value)), Prompt())
    assert not who.omit_response
    assert len(who.notes) == 1


def test_headers_without_effect_leave_a_note() -> None:
    who = identify(exchange(("Helicone-Posthog-Key", "k")), Prompt())
    assert who.notes == ["helicone-posthog-key has no effect here"]


def fingerprint(*headers: tuple[str, str], path: str = "/v1/x") -> str | None:
    return identify(exchange(*headers, path=path), Prompt()).api_key_fingerprint


def test_a_key_has_one_fingerprint_wherever_it_stands() -> None:
    key = "sk-proj-abcdefgh12345678"
    found = {
        fingerprint(("Authorization", f"Bearer {key}")),
        fingerprint(("authorization", f"bearer  {key}")),
        fingerprint(("X-Api-Key", key)),
        fingerprint(("api-key", key)),
        fingerprint(("x-goog-api-key", key)),
        fingerprint(path=f"/v1beta/models?alt=sse&key={key}"),
        fingerprint(("authorization", f"Bearer {key}, sk-helicone-zzzzzzzz")),
        fingerprint(("helicone-auth", "Bearer sk-helicone-zzz"), ("x-api-key", key)),
    }
    (only,) = found
    assert only is not None
    assert len(only) == 12
    assert only not in key
    assert fingerprint(("x-api-key", key + "9")) != only


def test_no_key_has_no_fingerprint() -> None:
    assert fingerprint() is None
    assert fingerprint(("helicone-auth", "Bearer sk-helicone-zzz")) is None
    assert fingerprint(("authorization", "Bearer sk-helicone-zzz")) is None


def test_aws_signs_each_call_anew_with_one_key() -> None:
    def signed(signature: str) -> str:
        scope = "AKIAABCDEFGHIJKLMNOP/20261124/eu-west-1/bedrock/aws4_request"
        return f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={signature}"

    assert fingerprint(("authorization", signed("a1"))) == fingerprint(
        ("authorization", signed("b2"))
    )


@pytest.mark.parametrize(
    ("header", "secret"),
    [
        (("Authorization", "Bearer hunter2hunter2"), "hunter2hunter2"),
        (("Authorization", "Token hunter2hunter2"), "hunter2hunter2"),
        (("Authorization", "Key id-of-it:hunter2hunter2"), "id-of-it:hunter2hunter2"),
        (("authorization", "hunter2hunter2"), "hunter2hunter2"),
        (("xi-api-key", "hunter2hunter2"), "hunter2hunter2"),
        (("Authorization", "Bearer one-key, Bearer another-key"), "another-key"),
        (("authorization", "AWS4-HMAC-SHA256 Credential=a/b, Signature=0f0f"), "0f0f"),
        (("x-amz-security-token", "IQoJb3"), "IQoJb3"),
        (("Cookie", "theme=dark; session=cafebabe"), "cafebabe"),
        (("Helicone-Auth", "Bearer sk-helicone-1"), "sk-helicone-1"),
        (("Proxy-Authorization", "Basic dXNlcg=="), "dXNlcg=="),
        (("Ocp-Apim-Subscription-Key", "0123"), "0123"),
    ],
)
def test_all_that_is_secret_in_headers(header: tuple[str, str], secret: str) -> None:
    assert secret in credentials(exchange(header))


@pytest.mark.parametrize(
    "path",
    [
        "//[x?key=hunter2",
        "/x?key=hunter2",
        "/x?a=%FF&KEY=hunter2",
        "/v1/listen?model=nova-3&token=hunter2",
        "/v1/text-to-speech/v/stream-input?single_use_token=hunter2",
    ],
)
def test_all_that_is_secret_in_the_query(path: str) -> None:
    assert credentials(exchange(path=path)) == ["hunter2"]


@pytest.mark.parametrize(
    ("header", "count"),
    [
        (("X-Stainless-Retry-Count", "2"), 2),
        (("x-stainless-retry-count", "0"), 0),
        (("amz-sdk-request", "ttl=1; attempt=3; max=5"), 2),
        (("amz-sdk-request", "attempt=x"), None),
        (("x-stainless-retry-count", "²"), None),
        (("x-stainless-retry-count", "-1"), None),
        (("accept", "*/*"), None),
    ],
)
def test_the_clients_own_retry(header: tuple[str, str], count: int | None) -> None:
    assert client_retry(exchange(header)) == count
