"""Jobs are charged once, with the answer that shows their result, by what the call that made them asked for."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from exchanged import exchanged
from llmitm.calls import Answer, Endpoint, Exchange, Finished, Headers, Json, Prompt
from llmitm.jobs import Jobs, Once
from llmitm.providers import hosts
from llmitm.reading import Reader
from llmitm_pricing import PriceTable

PRICES = """
schema = 1
provider = "{provider}"

[[model]]
id = "{model}"
  [[model.price]]
    [[model.price.item]]
    unit = "{unit}"
    {usd}
"""


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    for provider, model, unit, usd in (
        ("assemblyai", "universal-2", "audio_second", "usd = 0.27\nper = 3600"),
        ("fal", "fal-ai/flux/dev", "billable_unit", "usd = 0.025"),
        (
            "replicate",
            "acme/film",
            "video_second",
            'by = ["resolution"]\nusd = { "720p" = 0.1, "1080p" = 0.2 }',
        ),
    ):
        text = PRICES.format(provider=provider, model=model, unit=unit, usd=usd)
        (tmp_path / f"{provider}.toml").write_text(text, encoding="utf-8")
    return OnceReader(hosts.load(), PriceTable.load(tmp_path))


class OnceReader(Reader):
    """A reader whose jobs are charged once, as by a log."""

    def __init__(self, table: hosts.HostTable, prices: PriceTable) -> None:
        super().__init__(table, prices)
        self._once = Once()

    def read(self, exchange: Exchange) -> Finished:
        return self._once.settle(super().read(exchange))


def called(
    reader: Reader,
    url: str,
    answer: Json,
    request: Json = None,
    headers: Headers = (),
    status: int = 200,
) -> Finished:
    asked = exchanged(url, answer, request, headers, status, started_at=1_780_000_000.0)
    record = reader.read(asked)
    assert not reader.faults, record.notes
    return record


LATER = "none: charged with the answer that shows its result"
BEFORE = "none: charged with the first answer that showed its result"
TRANSCRIPTS = "api.assemblyai.com/v2/transcript"


def test_a_transcript_is_charged_when_it_is_there_and_once(reader: Reader) -> None:
    job = {"id": "tr-1", "status": "queued", "audio_duration": None}
    done = {**job, "status": "completed", "audio_duration": 400, "text": "Hi."}
    asked = called(reader, TRANSCRIPTS, job, {"audio_url": "x", "speech_models": ["universal-2"]})
    assert (asked.charge.usd, asked.charge.price_id) == (0, LATER)
    waiting = called(reader, TRANSCRIPTS + "/tr-1", {**job, "status": "processing"})
    assert (waiting.charge.usd, waiting.endpoint.counted) == (0, False)
    first = called(reader, TRANSCRIPTS + "/tr-1", done)
    assert first.charge.usd == Decimal("0.03")
    assert first.endpoint.counted
    again = called(reader, TRANSCRIPTS + "/tr-1", done)
    assert (again.charge.usd, again.charge.price_id) == (0, BEFORE)
    assert not again.endpoint.counted
    other = called(
        reader, TRANSCRIPTS + "/tr-2", {**done, "id": "tr-2", "speech_model": "universal-2"}
    )
    assert other.charge.usd == Decimal("0.03")


def test_a_failed_transcript_costs_nothing(reader: Reader) -> None:
    failed = {"id": "tr-3", "status": "error", "error": "no such file"}
    record = called(reader, TRANSCRIPTS + "/tr-3", failed)
    assert (record.outcome, record.charge.usd) == ("error", 0)


@pytest.mark.parametrize(
    ("url", "request_"),
    [
        (
            TRANSCRIPTS,
            {"audio_url": "x", "speech_model": "universal-2", "webhook_url": "https://x"},
        ),
        ("queue.fal.run/fal-ai/flux/dev?fal_webhook=https://x", {"prompt": "a cat"}),
    ],
)
def test_a_result_that_goes_elsewhere_is_unpriced(reader: Reader, url: str, request_: Json) -> None:
    job = {"id": "1", "request_id": "1", "status": "queued" if url == TRANSCRIPTS else "IN_QUEUE"}
    record = called(reader, url, job, request_)
    assert record.charge.usd is None
    assert "which the call does not tell" in (record.charge.unpriced_reason or "")


def test_a_result_of_fal_is_of_the_model_that_was_asked(reader: Reader) -> None:
    queued = {"status": "IN_QUEUE", "request_id": "f1", "response_url": "https://x"}
    result = {"images": [{"url": "", "width": 1024, "height": 768}]}
    told = [("x-fal-request-id", "f1"), ("x-fal-billable-units", "2")]
    asked = called(reader, "queue.fal.run/fal-ai/flux/dev", queued, {"prompt": "a cat"})
    assert asked.charge.price_id == LATER
    state = called(
        reader,
        "queue.fal.run/fal-ai/flux/requests/f1/status",
        {**queued, "status": "COMPLETED"},
    )
    assert (state.charge.usd, state.endpoint.counted) == (0, False)
    first = called(reader, "queue.fal.run/fal-ai/flux/requests/f1", result, headers=told)
    assert (first.charge.usd, first.endpoint.operation) == (Decimal("0.05"), "image")
    assert first.endpoint.model == "fal-ai/flux/dev"
    again = called(reader, "queue.fal.run/fal-ai/flux/requests/f1", result, headers=told)
    assert again.charge.price_id == BEFORE


def test_a_prediction_that_was_waited_for_is_charged_at_once(reader: Reader) -> None:
    input_ = {"prompt": "a cat", "duration": 5, "resolution": "1080p"}
    job = {"id": "p1", "model": "acme/film", "input": input_}
    url = "api.replicate.com/v1/models/acme/film/predictions"
    waited = {**job, "status": "processing", "output": "https://x/out.mp4"}
    done = {
        **waited,
        "status": "succeeded",
        "metrics": {"video_output_duration_seconds": 5, "resolution_target": "1080p"},
    }
    running = called(reader, url, {**job, "status": "starting", "output": None}, {"input": input_})
    assert running.charge.price_id == LATER
    fetched = called(reader, "api.replicate.com/v1/predictions/p1", done)
    assert fetched.charge.usd == 1
    at_once = called(reader, url, {**done, "id": "p2"}, {"input": input_}, status=201)
    assert at_once.charge.usd == 1
    fetched = called(reader, "api.replicate.com/v1/predictions/p2", {**done, "id": "p2"})
    assert fetched.charge.price_id == BEFORE


def settle(
    jobs: Jobs, number: int, job: Any, prompt: Prompt, size: int = 0
) -> tuple[Endpoint, Prompt]:
    endpoint = Endpoint("acme", "image", None, counted=job == "running")
    return jobs.settle(endpoint, prompt, Answer(response_id=str(number), job=job), size)


def test_only_the_latest_jobs_are_remembered() -> None:
    jobs, asked = Jobs(), Prompt(model="m", document={"n": 2})
    for number in range(2_001):
        settle(jobs, number, "running", asked)
    assert settle(jobs, 2_000, "done", Prompt())[1] == asked
    assert settle(jobs, 1, "done", Prompt())[1] == asked
    assert settle(jobs, 0, "done", Prompt())[1] == Prompt()


def test_of_a_large_request_only_the_model_is_remembered() -> None:
    jobs, asked = Jobs(), Prompt(model="m", document={"image": "…"})
    settle(jobs, 1, "running", asked, 100_000)
    assert settle(jobs, 1, "done", Prompt())[1] == Prompt(model="m")


def test_an_answer_without_an_id_is_no_job() -> None:
    endpoint, prompt = Endpoint("acme", "image", None), Prompt(model="m")
    assert Jobs().settle(endpoint, prompt, Answer(job="done"), 0) == (endpoint, prompt)


def test_a_film_that_was_fetched_without_asking_for_its_state_is_charged(tmp_path: Path) -> None:
    price = '[[model.price.item]]\n    unit = "video_second"\n    usd = 0.1'
    text = f'schema = 1\nprovider = "openai"\n[[model]]\nid = "m"\n[[model.price]]\n{price}\n'
    (tmp_path / "openai.toml").write_text(text, encoding="utf-8")
    reader = OnceReader(hosts.load(), PriceTable.load(tmp_path))
    job = {"id": "video_1", "object": "video", "model": "m", "status": "queued"}
    asked = {"model": "m", "prompt": "a cat", "seconds": "8"}
    videos = "api.openai.com/v1/videos"
    assert called(reader, videos, job, asked).charge.price_id == LATER
    waiting = called(reader, f"{videos}/video_1", {**job, "status": "in_progress"})
    assert (waiting.charge.usd, waiting.endpoint.counted) == (0, False)
    film = called(reader, f"{videos}/video_1/content", None)
    assert film.charge.usd == Decimal("0.8")
    done = called(reader, f"{videos}/video_1", {**job, "status": "completed", "seconds": "8"})
    assert done.charge.price_id == BEFORE


def test_a_film_that_failed_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "openai.toml").write_text('schema = 1\nprovider = "openai"\n', encoding="utf-8")
    reader = OnceReader(hosts.load(), PriceTable.load(tmp_path))
    job = {"id": "video_1", "object": "video", "model": "m", "status": "queued"}
    failed = {**job, "status": "failed", "error": {"code": "moderation_blocked", "message": "No."}}
    videos = "api.openai.com/v1/videos"
    assert called(reader, videos, job, {"model": "m", "prompt": "a cat"}).charge.usd == 0
    record = called(reader, f"{videos}/video_1", failed)
    assert (record.outcome, record.charge.usd) == ("error", 0)
    missing = called(reader, f"{videos}/video_1/content", {"error": {"message": "x"}}, status=404)
    assert (missing.outcome, missing.charge.usd) == ("error", 0)
