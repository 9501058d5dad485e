from __future__ import annotations

import copy
import gzip
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from exchanged import exchanged
from llmitm.calls import Endpoint, Exchange, Json, Operation
from llmitm.policy.cache_key import cache_key, is_cached, parts
from llmitm.policy.directives import CacheDirective

URL = "api.openai.com/v1/chat/completions"
PLAIN = CacheDirective()
ASKED = {"model": "m", "messages": [{"role": "user", "content": "Hello"}], "temperature": 1}

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
documents = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


def call(body: Json | bytes = ASKED, *, url: str = URL, **headers: str) -> Exchange:
    told = [("content-type", "application/json")]
    told += [(name.replace("_", "-"), value) for name, value in headers.items()]
    made = replace(exchanged(url, {}, {}), request_headers=told)
    made.request_body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return made


def key(body: Json | bytes = ASKED, directive: CacheDirective = PLAIN, **more: str) -> bytes:
    found = cache_key(call(body, **more), directive)
    assert found is not None
    assert len(found) == 32
    return found


def alike(one: Json, other: Json) -> bool:
    """Whether two documents are the same to JSON: 1 is 1.0, but is not true."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[each], other[each]) for each in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return bool(one == other)


@given(documents, documents)
def test_other_bodies_have_other_keys(one: Json, other: Json) -> None:
    assert (key({"x": one}) == key({"x": other})) == alike(one, other)


@given(st.data(), documents)
def test_one_place_that_differs_is_enough(data: st.DataObject, document: Json) -> None:
    body = {"model": "m", "messages": [document]}
    changed = copy.deepcopy(body)
    holder: Any = changed
    step: Any = data.draw(st.sampled_from(["model", "messages"]))
    while isinstance(holder[step], dict | list) and holder[step] and data.draw(st.booleans()):
        holder = holder[step]
        steps = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        step = data.draw(st.sampled_from(steps))
    holder[step] = data.draw(scalars)
    assume(not alike(changed, body))
    assert key(changed) != key(body)


def shuffled(data: st.DataObject, value: Json) -> Json:
    if isinstance(value, dict):
        names = data.draw(st.permutations(list(value)))
        return {name: shuffled(data, value[name]) for name in names}
    return [shuffled(data, each) for each in value] if isinstance(value, list) else value


@given(st.data(), st.dictionaries(st.text(), documents))
def test_order_and_white_space_do_not_matter(data: st.DataObject, body: Json) -> None:
    other = json.dumps(shuffled(data, body), indent=3, ensure_ascii=False).encode(
        "utf-8", "surrogatepass"
    )
    assert key(other) == key(body)


@given(st.binary(), st.binary())
def test_what_is_no_json_is_compared_byte_for_byte(one: bytes, other: bytes) -> None:
    one, other = b"\xff" + one, b"\xff" + other
    assert (key(one) == key(other)) == (one == other)


@pytest.mark.parametrize("spelling", ["1.0", "1e0", "10E-1", "1.000"])
def test_a_number_has_many_spellings(spelling: str) -> None:
    assert key(b'{"x":%s}' % spelling.encode()) == key(b'{"x":1}')


@pytest.mark.parametrize(
    "text",
    [
        b'{"x":true}',
        b'{"x":"1"}',
        b'{"x":1.0000000000000000001}',
        b'{"x":0.99999999999999999999999}',
        b'{"x":[1]}',
        b'{"x":1,"x":1}',
        b'{"x":2,"x":1}',
        b'{"x":1e99999999999999999999}',
        b'{"x":1}{"x":1}',
        b'{"x":NaN}',
    ],
)
def test_what_only_looks_alike(text: bytes) -> None:
    assert key(text) != key(b'{"x":1}')


def test_a_key_that_is_there_twice_is_not_read() -> None:
    one, other = b'{"x":1,"x":2}', b'{"x":2}'
    assert parts(call(one), PLAIN).kind == "bytes"
    assert key(one) != key(other)


def test_what_is_too_deep_is_not_read() -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    assert key(deep) != key(deep + b" ")
    assert parts(call(deep), PLAIN).kind == "bytes"


CREDENTIALS = [
    {"authorization": "Bearer sk-one"},
    {"authorization": "Bearer sk-two"},
    {"x_api_key": "sk-two"},
    {"x_goog_api_key": "goog"},
    {"api_key": "azure"},
    {"url": f"{URL}?key=three"},
    {"url": f"{URL}?key=four"},
    {"authorization": "AWS4-HMAC-SHA256 Credential=AKIAONE/20261126/x, Signature=1"},
    {"authorization": "AWS4-HMAC-SHA256 Credential=AKIATWO/20261126/x, Signature=1"},
    {"ocp_apim_subscription_key": "apim"},
    {},
]


def test_no_two_api_keys_share() -> None:
    # The same key by another header may be the same caller, which is no harm.
    assert len({key(**each) for each in CREDENTIALS}) == len(CREDENTIALS) - 1
    assert key(authorization="Bearer sk-two") == key(x_api_key="sk-two")


def test_api_keys_share_where_that_is_wanted() -> None:
    shared = CacheDirective(share_between_keys=True)
    assert len({key(directive=shared, **each) for each in CREDENTIALS}) == 1


@given(st.text(min_size=1), st.text(min_size=1))
def test_two_api_keys_never_share(one: str, other: str) -> None:
    one, other = f"sk-{one.strip()}x", f"sk-{other.strip()}x"
    found = [key(x_api_key=each) for each in (one, other)]
    assert (found[0] == found[1]) == (one == other)


def test_a_signature_that_is_made_anew() -> None:
    start = "AWS4-HMAC-SHA256 Credential=AKIAONE/20261126/x, Signature="
    assert key(authorization=start + "1") == key(authorization=start + "2")


@pytest.mark.parametrize(
    "other",
    [
        {"url": "api.openai.com/v1/responses"},
        {"url": "api.groq.com/v1/chat/completions"},
        {"url": f"{URL}?api-version=1"},
        {"anthropic_version": "2023-06-01"},
        {"anthropic_beta": "x"},
        {"openai_organization": "org"},
        {"accept": "audio/mpeg"},
        {"x_amzn_bedrock_guardrailidentifier": "g"},
    ],
)
def test_what_else_makes_another_call(other: dict[str, str]) -> None:
    assert key(**other) != key()


@pytest.mark.parametrize(
    "same",
    [
        {"user_agent": "other"},
        {"x_stainless_retry_count": "1"},
        {"helicone_user_id": "u"},
        {"accept": "*/*"},
        {"accept_encoding": "gzip"},
    ],
)
def test_what_makes_no_other_call(same: dict[str, str]) -> None:
    assert key(**same) == key()


def test_seed() -> None:
    seeds = [None, "", "a", "b"]
    assert len({key(directive=CacheDirective(seed=seed)) for seed in seeds}) == 4


def test_ignored_keys() -> None:
    ignoring = CacheDirective(ignore_keys=("user", "metadata.trace", "messages.0.name"))
    body: dict[str, Any] = {**ASKED, "user": "u", "metadata": {"trace": "1", "kept": "k"}}
    other = {**ASKED, "user": "v", "metadata": {"trace": "2", "kept": "k"}}
    assert key(body, ignoring) == key(other, ignoring)
    assert key(body) != key(other)
    other["metadata"]["kept"] = "l"
    assert key(body, ignoring) != key(other, ignoring)


def test_a_compressed_body_is_the_plain_one() -> None:
    plain = json.dumps(ASKED).encode()
    assert key(gzip.compress(plain), content_encoding="gzip") == key(plain)
    assert key(b"\x1f\x8bbroken", content_encoding="gzip") != key(plain)


def form(boundary: str, *fields: tuple[str, bytes]) -> bytes:
    made = b""
    for name, content in fields:
        head = f'--{boundary}\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n'
        made += head.encode() + content + b"\r\n"
    return made + f"--{boundary}--\r\n".encode()


def of_form(
    boundary: str, *fields: tuple[str, bytes], directive: CacheDirective = PLAIN
) -> bytes | None:
    made = call(form(boundary, *fields))
    made.request_headers = [("content-type", f"multipart/form-data; boundary={boundary}")]
    return cache_key(made, directive)


FILE = ("file", b"RIFF\xff\0")


def test_a_form_without_its_boundary() -> None:
    model = ("model", b"whisper-1")
    same = of_form("aaaa", model, FILE)
    assert same == of_form("bbbb", model, FILE)
    assert same != of_form("aaaa", ("model", b"whisper-2"), FILE)
    assert same != of_form("aaaa", ("model", b"whisper-1"), ("file", b"RIFF\xff\1"))
    assert same != of_form("aaaa", ("name", b"whisper-1"), FILE)
    ignoring = CacheDirective(ignore_keys=("user",))
    with_user = [
        of_form("a", model, FILE, ("user", each), directive=ignoring) for each in (b"u", b"v")
    ]
    assert with_user[0] == with_user[1]


@pytest.mark.parametrize("more", [{"background": True}, {"conversation": "conv_1"}])
def test_what_the_provider_keeps_has_no_key(more: dict[str, Json]) -> None:
    assert cache_key(call({**ASKED, **more}), PLAIN) is None


@pytest.mark.parametrize(
    ("operation", "cached"),
    [("chat", True), ("transcription", True), ("batch", False), ("video", False), ("file", False)],
)
def test_which_calls(operation: Operation, cached: bool) -> None:
    endpoint = Endpoint("openai", operation, "openai_chat")
    assert is_cached(endpoint, "POST") is cached
    assert not is_cached(endpoint, "GET")
