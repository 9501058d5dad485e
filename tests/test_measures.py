"""What a call is charged for beside tokens: out of requests and answers as providers have them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmitm.calls import Answer, Endpoint, Exchange, Headers, Json, Operation, Prompt, Usage
from llmitm.measures import Measures, measure
from llmitm_pricing.units import ATTRIBUTES, ITEM_UNITS
from providers.odd import ODD
from wire.recordings_of_sound import mp3, wav

OPERATIONS: tuple[Operation, ...] = ("image", "speech", "transcription", "video", "rerank", "other")
ASKED = [
    "n",
    "input",
    "text",
    "inputs",
    "size",
    "image_size",
    "width",
    "height",
    "steps",
    "seconds",
    "duration",
    "sampleCount",
    "image",
    "images",
    "documents",
    "query",
    "parameters",
    "instances",
    "quality",
    "resolution",
    "generateAudio",
    "max_tokens_per_doc",
    "multichannel",
]
ANSWERED = [
    "data",
    "images",
    "predictions",
    "output",
    "duration",
    "metadata",
    "metrics",
    "seconds",
    "size",
    "result",
]


def measured(
    operation: Operation,
    asked: Json = None,
    answered: Json = None,
    *,
    path: str = "/",
    body: bytes = b"",
    sent: Headers = (("content-type", "application/json"),),
    came: Headers = (),
    provider: str = "acme",
    dialect: str | None = None,
    usage: Usage | None = None,
    gaps: Sequence[tuple[int, int]] = (),
) -> Measures:
    exchange = Exchange(
        id="01J",
        started_at=0.0,
        method="POST",
        scheme="https",
        host="api.example",
        port=443,
        path=path,
        request_headers=sent,
        request_body=body,
        status=200,
        response_headers=came,
        request_gaps=gaps,
        request_truncated=bool(gaps),
    )
    answer = Answer(document=answered, usage=usage or Usage())
    return measure(Endpoint(provider, operation, dialect), exchange, Prompt(document=asked), answer)


def quantities(operation: Operation, *args: Any, **options: Any) -> dict[str, Any]:
    found = dict(measured(operation, *args, **options).quantities)
    assert found.pop("request") == 1
    assert set(found) <= set(ITEM_UNITS)
    return found


@pytest.mark.parametrize(
    ("asked", "answered", "units"),
    [
        ({"prompt": "a cat"}, {"data": [{"b64_json": ""}]}, {"image": 1}),
        ({"n": 2, "size": "1024x1536"}, None, {"image": 2, "pixel": 2 * 1024 * 1536}),
        ({"n": 2, "size": "auto"}, {"size": "1024x1024"}, {"image": 2, "pixel": 2 * 1024 * 1024}),
        (
            {"width": 512, "height": 768, "steps": 20, "n": 3},
            {"data": [{}, {}]},
            {"image": 2, "pixel": 2 * 512 * 768, "step": 40},
        ),
        (
            {"image_size": "square", "num_inference_steps": 4},
            {"images": [{"width": 512, "height": 512}]},
            {"image": 1, "pixel": 512 * 512, "step": 4},
        ),
        ({"image_size": {"width": 64, "height": 64}}, None, {"image": 1, "pixel": 4096}),
        ({"image_size": "landscape_4_3"}, None, {"image": 1, "pixel": 1024 * 768}),
        ({"image_url": "https://x"}, {"image": {"url": ""}}, {"image": 1, "input_image": 1}),
        ({"image[]": [{"bytes": 9}, {"bytes": 9}]}, None, {"image": 1, "input_image": 2}),
        ({"image": {"filename": "a.png"}, "mask": {}}, None, {"image": 1, "input_image": 1}),
        ({"input": {"num_outputs": 2}}, {"output": ["a", "b"]}, {"image": 2}),
        (
            {"instances": [{"prompt": "a cat"}], "parameters": {"sampleCount": 4}},
            {"predictions": [{"bytesBase64Encoded": ""}, {"raiFilteredReason": "no"}]},
            {"image": 1},
        ),
        (
            {"samples": 2, "steps": 30, "width": 1024, "height": 1024},
            {"artifacts": [{}, {}]},
            {"image": 2, "pixel": 2 * 1024 * 1024, "step": 60},
        ),
    ],
)
def test_images(asked: Json, answered: Json, units: dict[str, int]) -> None:
    assert quantities("image", asked, answered) == units


@pytest.mark.parametrize(
    ("asked", "came", "units"),
    [
        ({"input": "Grüße!"}, (), {"character": 6}),
        ({"text": "Hello"}, [("Character-Cost", "3")], {"character": 5, "credit": 3}),
        ({"text": "Hello"}, [("dg-char-count", "4")], {"character": 4}),
        ({"input": {"ssml": "<speak>Hi</speak>"}, "voice": {}}, (), {"character": 17}),
        ({"inputs": [{"text": "Hi."}, {"text": "Hello."}, {}]}, (), {"character": 9}),
        (
            {"text": "rain", "duration_seconds": 2.5},
            (),
            {"character": 4, "output_audio_second": 2.5},
        ),
        (
            {"prompt": "a waltz", "music_length_ms": 30_000},
            (),
            {"character": 7, "output_audio_second": 30},
        ),
        (None, (), {}),
    ],
)
def test_speech(asked: Json, came: Headers, units: dict[str, int]) -> None:
    assert quantities("speech", asked, came=came) == units


@pytest.mark.parametrize(
    ("answered", "seconds"),
    [
        ({"duration": "9.2"}, 9.2),
        ({"metadata": {"duration": 12.5, "channels": 2}}, 12.5),
        ({"audio_duration": 281}, 281),
        ({"audio_duration_secs": 1.9}, 1.9),
        ({"result": {"transcription_info": {"duration": 4.1}, "text": ""}}, 4.1),
    ],
)
def test_an_answer_says_how_long_the_recording_is(answered: Json, seconds: float) -> None:
    assert quantities("transcription", {}, answered) == {"audio_second": seconds}


def test_openai_counts_seconds_that_have_begun() -> None:
    found = quantities("transcription", {}, {"duration": 8.47}, provider="openai")
    assert found == {"audio_second": 9}


def test_deepgram_charges_for_each_channel() -> None:
    answered = {"metadata": {"duration": 12.5, "channels": 2}}
    asked = quantities("transcription", {}, answered, path="/v1/listen?multichannel=true")
    assert asked == {"audio_second": 25}


FORM = (
    b'--x7\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n'
    b'--x7\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    + wav(2.5)
    + b"\r\n--x7--\r\n"
)
AS_FORM = [("Content-Type", "multipart/form-data; boundary=x7")]


@pytest.mark.parametrize(
    ("body", "sent", "seconds"),
    [
        (FORM, AS_FORM, 2.5),
        (wav(2.5), [("content-type", "audio/wav")], 2.5),
        (wav(2.5), [], 2.5),
        (mp3(100), [("content-type", "audio/mpeg")], 100 * 1152 / 44_100),
    ],
)
def test_else_the_recording_itself_does(body: bytes, sent: Headers, seconds: float) -> None:
    found = quantities("transcription", {}, {"text": "Hi."}, body=body, sent=sent)
    assert found == {"audio_second": pytest.approx(seconds, abs=0.02)}


def test_a_recording_that_was_not_kept_whole_is_not_measured() -> None:
    gap = [(len(FORM) - 100, 9_000)]
    assert quantities("transcription", {}, {}, body=FORM, sent=AS_FORM, gaps=gap) == {}
    sound = [("content-type", "audio/wav")]
    assert quantities("transcription", {}, {}, body=wav(2), sent=sound, gaps=[(50, 1)]) == {}


def test_a_call_with_a_usage_is_not_measured() -> None:
    usage = Usage("reported", input_tokens=10)
    assert quantities("transcription", {}, {}, body=FORM, sent=AS_FORM, usage=usage) == {}


def test_minimax_says_how_many_characters_it_counted() -> None:
    answered = {"extra_info": {"usage_characters": 4}}
    assert quantities("speech", {"text": "你好"}, answered) == {"character": 4}


def test_another_voice_for_a_recording_is_measured() -> None:
    assert quantities("speech", {}, body=FORM, sent=AS_FORM) == {"audio_second": 2.5}


@pytest.mark.parametrize(
    ("asked", "answered", "dialect", "units"),
    [
        ({"seconds": "8", "size": "1280x720"}, None, None, {"video": 1, "video_second": 8}),
        ({}, {"seconds": "4"}, None, {"video": 1, "video_second": 4}),
        ({"duration": "8s"}, None, None, {"video": 1, "video_second": 8}),
        ({"duration": "auto"}, {"duration": 5}, None, {"video": 1, "video_second": 5}),
        ({"n_seconds": "5", "n_variants": "2"}, None, None, {"video": 2, "video_second": 10}),
        (
            {
                "parameters": {"durationSeconds": 4, "sampleCount": 2},
                "instances": [{"image": {"a": 1}}],
            },
            None,
            "gemini_resources",
            {"video": 2, "video_second": 8, "input_image": 1},
        ),
        ({"instances": [{}]}, {"name": "op"}, "gemini_resources", {"video": 1, "video_second": 8}),
        ({}, {"request_id": "v-1"}, None, {"video": 1}),
    ],
)
def test_videos(asked: Json, answered: Json, dialect: str | None, units: dict[str, int]) -> None:
    assert quantities("video", asked, answered, dialect=dialect) == units


@pytest.mark.parametrize(
    ("asked", "searches"),
    [
        ({"query": "a", "documents": ["b"]}, 1),
        ({"query": "a", "documents": ["b"] * 100}, 1),
        ({"query": "a", "documents": [{"text": "b"}] * 101}, 2),
        # 800 tokens are two documents.
        ({"query": "a", "documents": ["word" * 800] * 51}, 2),
        ({"query": "a", "documents": ["word" * 800] * 50}, 1),
        # No more is read of each than this.
        ({"query": "a", "documents": ["word" * 800] * 51, "max_tokens_per_doc": 400}, 1),
        ({"query": "word" * 400, "documents": ["word" * 300] * 34}, 2),
        ({}, 1),
    ],
)
def test_searches(asked: Json, searches: int) -> None:
    assert quantities("rerank", asked) == {"search_unit": searches}


def test_what_fal_says_it_charges_for() -> None:
    came = [("x-fal-billable-units", "0.79")]
    assert quantities("other", {}, {}, came=came) == {"billable_unit": 0.79}


def test_characters_of_old_embeddings() -> None:
    answered = {"predictions": [], "metadata": {"billableCharacterCount": 11}}
    assert quantities("embedding", {}, answered) == {"character": 11}


@pytest.mark.parametrize(
    ("asked", "answered", "attributes"),
    [
        ({"quality": "hd", "size": "auto"}, None, {"quality": "hd"}),
        ({"quality": "auto"}, {"quality": "medium"}, {"quality": "medium"}),
        ({"width": 512, "height": 768}, None, {"size": "512x768"}),
        ({"image_size": "square_hd"}, None, {"size": "1024x1024"}),
        ({"num_inference_steps": 28.0}, None, {"steps": "28"}),
        (
            {"parameters": {"resolution": "1080p", "generateAudio": False, "durationSeconds": 8}},
            None,
            {"resolution": "1080p", "audio": "false", "duration": "8"},
        ),
        (
            {"input": {"duration": 5, "mode": "pro"}},
            {"metrics": {"resolution_target": "720p", "with_audio": True, "model_variant": "fast"}},
            {
                "duration": "5",
                "mode": "pro",
                "resolution": "720p",
                "audio": "true",
                "variant": "fast",
            },
        ),
        (
            {"web_search_options": {"search_context_size": "high"}},
            None,
            {"search_context_size": "high"},
        ),
        ({"language": "multi"}, None, {"language": "multi"}),
        ({"quality": "x" * 5_000, "size": {"a": 1}}, None, {}),
    ],
)
def test_attributes(asked: Json, answered: Json, attributes: dict[str, str]) -> None:
    found = measured("other", asked, answered).attributes
    assert found == attributes
    assert set(found) <= set(ATTRIBUTES)


@settings(max_examples=200)
@given(
    st.sampled_from(OPERATIONS),
    st.fixed_dictionaries({}, optional=dict.fromkeys(ASKED, ODD)) | ODD,
    st.fixed_dictionaries({}, optional=dict.fromkeys(ANSWERED, ODD)) | ODD,
    st.text(max_size=9),
)
def test_no_document_makes_it_raise(
    operation: Operation, asked: Json, answered: Json, value: str
) -> None:
    found = measured(
        operation, asked, answered, path="/?" + value, came=[("character-cost", value)]
    )
    assert all(quantity >= 0 for quantity in found.quantities.values())
    json.dumps(dict(found.attributes))
