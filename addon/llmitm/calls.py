"""The types that a call passes through: bytes (`Exchange`), meaning (`Prompt`, `Answer`), record (`Finished`).

Everything here is data. Names follow OpenTelemetry's GenAI vocabulary where it has one. `None` always
means "not known", never zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import IO, Any, Literal

from llmitm.basis import Basis

type Headers = Sequence[tuple[str, str]]
type Json = Any
"""A value as the JSON parser gives it: the edge where types end."""

Operation = Literal[
    "chat",
    "completion",
    "embedding",
    "image",
    "speech",
    "transcription",
    "video",
    "rerank",
    "moderation",
    "count_tokens",
    "realtime",
    "batch",
    "file",
    "models",
    "other",
]
Outcome = Literal["ok", "error", "cancelled", "blocked"]
"""`error` is the provider's or the network's fault; `cancelled` is the client hanging up."""
UsageSource = Literal["reported", "estimated", "none"]
Ending = Literal["complete", "client_gone", "upstream_broke", "no_answer"]
"""How the bytes of an exchange ended. `no_answer`: no response header was ever received."""


def header(headers: Headers, name: str) -> str | None:
    """Return the first value of a header; `name` in lower case."""
    for key, value in headers:  # a generator takes twice as long, and every call looks up a dozen
        if key.lower() == name:
            return value
    return None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What a URL means: who is asked, for what, in which dialect."""

    provider: str
    operation: Operation
    dialect: str | None
    """Name of the module in `providers` that reads it; None where no body is read."""
    model: str | None = None
    """The model, where the path names it."""
    counted: bool = True
    """False where the answer repeats a call that was billed before (a stored response, a job's state)."""
    streams: bool = False
    """True where the path itself asks for a stream."""
    resource: str | None = None
    """The id of what is asked for, where the path names it and the answer need not: a file, a batch."""


@dataclass(frozen=True, slots=True)
class SocketTurn:
    """What makes an exchange one turn of the many that a WebSocket carries."""

    socket_id: str
    """The id that all turns of the socket share."""
    endpoint: Endpoint
    """What the turn is, which the address of the socket does not tell."""
    request_bytes: int = 0
    """As they were on the wire: sound is not kept."""
    response_bytes: int = 0
    rate_limits: Sequence[RateLimit] = ()
    connected_seconds: float | None = None
    """Of the time that the socket was open, what falls to this turn; None where that is not charged."""


@dataclass(frozen=True, slots=True)
class CacheUse:
    """What the cache had to do with a call that it was asked for."""

    state: Literal["hit", "miss"]
    source_id: str | None = None
    """The call that a hit's answer comes from, where that is known."""
    bucket_index: int = 0
    shared: bool = False
    """True where the answer came from an identical call that was in flight at the same time."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why llmitm itself refused a call: it then has the outcome `blocked`."""

    error_type: str
    message: str


@dataclass(slots=True)
class Exchange:
    """One request and what came back, as bytes on the wire with the time of each chunk."""

    id: str
    started_at: float
    """Seconds since the epoch, UTC."""
    method: str
    scheme: str
    host: str
    port: int
    path: str
    """With the query string."""
    request_headers: Headers
    request_body: bytes
    """As sent, still in its content-encoding."""
    status: int | None = None
    response_headers: Headers = ()
    chunks: list[bytes] = field(default_factory=list)
    """The response body as it arrived, still in its content-encoding."""
    chunk_times: list[float] = field(default_factory=list)
    """Milliseconds from `started_at`, one for each chunk."""
    first_byte_ms: float | None = None
    latency_ms: float | None = None
    ending: Ending = "complete"
    error_message: str | None = None
    """What the network said when the exchange did not complete."""
    request_id: str | None = None
    """The UUID that the client was told, where it speaks to us by control headers."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """From the user part of the proxy URL, percent-decoded."""
    caller: Callable[[], Mapping[str, str]] | None = None
    """Tells the properties of the process that made the call, as far as they are known by then; may wait a moment."""
    http_version: str = "HTTP/1.1"
    usage_injected: bool = False
    """True where llmitm asked for the usage chunk and took it out of the client's stream."""
    request_truncated: bool = False
    response_truncated: bool = False
    """True where a part of the body was let through unseen, because it was too large to keep."""
    rest: IO[bytes] | None = None
    """The response after `chunks`, in a file without a name, where it is too long for memory and is read line by line.
    Whoever has the exchange last closes it."""
    request_gaps: Sequence[tuple[int, int]] = ()
    """Where that was in the request: position in `request_body`, and how many bytes are missing there."""
    response_unseen: int = 0
    """Bytes of the response after those of `chunks`."""
    frames_unseen: int = 0
    """Frames of a socket that passed unread, because too much was waiting to be read."""
    turn: SocketTurn | None = None
    """Set where it is a turn of a WebSocket: the request that began it, and its events as JSON lines."""
    earlier: list[Exchange] = field(default_factory=list)
    """The attempts of this call that failed before this one, in order."""
    waited_ms: float | None = None
    """How long was waited after this attempt, where another one followed."""
    queued_ms: float | None = None
    """How long it waited here for its turn, before it was sent; None where it did not."""
    retried_ms: float | None = None
    """Milliseconds from `started_at` to the last attempt, where it is not the first."""
    fallback_index: int | None = None
    """Which of its fallbacks answered, from 0; None where it is who was asked first."""
    asked_provider: str | None = None
    asked_model: str | None = None
    """What the client asked for, where llmitm sent the call elsewhere or with another model."""
    cache: CacheUse | None = None
    """None where the cache was not asked."""
    refusal: Refusal | None = None
    """Set where llmitm answered with a refusal of its own."""
    notes: list[str] = field(default_factory=list)
    """What llmitm did with the call, or could not do."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that the client is asked to run."""

    name: str
    arguments: str
    """JSON text, as the model wrote it."""
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Counts of one call, children inside parents; None where not known.

    `input_tokens` is the whole prompt: cached reads, cache writes, audio and images are part of it.
    `output_tokens` is all that was generated: reasoning, audio and images are part of it. This is the one
    form into which every provider's own arithmetic is brought.
    """

    source: UsageSource = "none"
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_write_tokens: int | None = None
    """All cache writes; those below are part of it, the rest has the provider's default lifetime."""
    cache_write_5m_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    reasoning_tokens: int | None = None
    input_audio_tokens: int | None = None
    input_image_tokens: int | None = None
    input_video_tokens: int | None = None
    cached_audio_tokens: int | None = None
    output_audio_tokens: int | None = None
    output_image_tokens: int | None = None
    output_video_tokens: int | None = None
    other: Mapping[str, int | float] = field(default_factory=dict)
    """Units that are not tokens, by their name in the price table: web_search, image, audio_second, ..."""
    billed: Mapping[str, int | float] = field(default_factory=dict)
    """What is charged, where the provider tells it apart from what was used (Cohere): it is priced instead of all
    of the above. Every unit by its name in the price table, tokens too (`input`, `output`), children inside parents.
    """


@dataclass(frozen=True, slots=True)
class ModelUsage:
    """What one of several models used for a call."""

    model: str
    usage: Usage


@dataclass(frozen=True, slots=True)
class AlikeRequests:
    """What requests of a batch used that are priced alike."""

    model: str
    geo: str | None
    prompt: int
    """Tokens of the longest prompt among them."""
    requests: int
    usage: Usage


@dataclass(frozen=True, slots=True)
class Batch:
    """The results of a batch."""

    requests: int
    failed: int
    """How many of the requests failed; they are not charged."""
    parts: Sequence[AlikeRequests]
    """They add up to the `usage` of the answer."""


@dataclass(frozen=True, slots=True)
class ReportedUsage:
    """The provider's own five numbers, never added up or subtracted."""

    input: int | None = None
    output: int | None = None
    cached_input: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None


@dataclass(slots=True)
class Prompt:
    """What a request asks for."""

    model: str | None = None
    streaming: bool = False
    document: Json = None
    """The parsed body; None where it is not JSON."""
    user: str | None = None
    """End user as the body names it (`user`, `metadata.user_id`, `safety_identifier`)."""
    previous_response_id: str | None = None
    max_output_tokens: int | None = None
    service_tier: str | None = None


@dataclass(slots=True)
class Answer:
    """What a response says. The same object whether it came whole or as a stream."""

    model: str | None = None
    response_id: str | None = None
    text: str | None = None
    """Visible text of the first choice; "" where the answer had none, None where the call has no text."""
    reasoning: str | None = None
    """Visible thinking of the first choice."""
    refusal: str | None = None
    blocked: str | None = None
    """What a filter of the provider's stopped and why: `prompt: jailbreak`, `answer: violence`."""
    tool_calls: Sequence[ToolCall] = ()
    """Of the first choice, in order; tools that the provider ran itself are not here."""
    finish_reason: str | None = None
    """Verbatim, of the first choice."""
    usage: Usage = field(default_factory=Usage)
    by_model: Sequence[ModelUsage] = ()
    """Where several models, each at its own price, worked on the answer: what each used. They add up to `usage`."""
    reported: ReportedUsage = field(default_factory=ReportedUsage)
    error_type: str | None = None
    error_message: str | None = None
    service_tier: str | None = None
    """The tier that was served, as the response says."""
    inference_geo: str | None = None
    speed: str | None = None
    """Anthropic's `usage.speed`: standard or fast."""
    provider_cost_usd: Decimal | None = None
    """What the provider itself says it charged."""
    document: Json = None
    """The response as one JSON document: parsed, or for a stream put together in the unstreamed form."""
    job: Literal["running", "part", "done"] | None = None
    """Where it is the state of a job, named by `response_id`, that is charged when it is done. Of a part of its
    result it is not known what the whole costs."""
    batch: Batch | None = None
    """Where it is the results of a batch."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """One limit as a response states it."""

    name: str
    """What is limited: requests, tokens, input_tokens, output_tokens, or the provider's own name. `percent` is a
    plan that tells only the share: its limit is 100.
    """
    limit: int | None = None
    remaining: int | None = None
    resets_at: float | None = None
    """Seconds since the epoch, UTC."""
    period: str | None = None
    """For how long it holds: minute, hour, day, month, or some of them ("5 hours"); None where that is not told."""
    status: str | None = None
    """What the provider says of it, verbatim: Anthropic's plans have allowed, allowed_warning and rejected."""


@dataclass(frozen=True, slots=True)
class Charge:
    """What a call cost: exact, or not known with the reason."""

    usd: Decimal | None = None
    price_id: str | None = None
    """The dated price block that was used."""
    parts: Mapping[str, Decimal] = field(default_factory=dict)
    """USD by unit; they add up to `usd`."""
    unpriced_reason: str | None = None
    provider_usd: Decimal | None = None
    """What the provider says it charged, where it does; it is then `usd`, the table the cross-check."""
    table_usd: Decimal | None = None
    notes: Sequence[str] = ()
    """Why it is free, what was left out, which of the provider's numbers were odd."""
    basis: Basis | None = None
    """What it rests on; None where that is not known, or must not be kept."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who made the call and what it belongs to."""

    user: str | None = None
    session_id: str | None = None
    session_name: str | None = None
    session_path: str | None = None
    prompt_id: str | None = None
    request_id: str | None = None
    """`Helicone-Request-Id`, a UUID."""
    run_id: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    api_key_fingerprint: str | None = None
    client: str | None = None
    """Program and version out of the user agent."""
    model_override: str | None = None
    omit_request: bool = False
    omit_response: bool = False
    notes: Sequence[str] = ()
    """What was wrong or without effect in the control headers."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A try of a call that failed and was followed by another one."""

    provider: str
    host: str
    model: str | None
    started_at: float
    """Seconds since the epoch, UTC."""
    status: int | None
    error_type: str | None
    error_message: str | None
    latency_ms: float | None
    waited_ms: float | None
    """How long was waited after it."""


@dataclass(slots=True)
class Finished:
    """A call that has ended, read and priced: the record that is stored, shown and explained."""

    exchange: Exchange
    endpoint: Endpoint
    prompt: Prompt
    answer: Answer
    identity: Identity
    charge: Charge
    outcome: Outcome
    error_type: str | None = None
    error_message: str | None = None
    streaming: bool = False
    """True where the response came as a stream."""
    first_content_ms: float | None = None
    rate_limits: Sequence[RateLimit] = ()
    retry_after_ms: float | None = None
    """How long a refused caller was told to wait."""
    request_text: str | None = None
    """The request body decoded, as it is to be stored; None where it is binary, omitted or dropped."""
    response_text: str | None = None
    """The response body as it is to be stored: decoded text, or the document put together of a stream."""
    request_bytes: int = 0
    response_bytes: int = 0
    attempts: Sequence[Attempt] = ()
    """Those before the last, which is told by the call itself."""
    saved_usd: Decimal | None = None
    """What an answer out of the cache would have cost; None where there was none, or it has no price."""
    client_retry: int | None = None
    """The number the client's SDK gives to its own retry; 0 is the first try."""
    notes: Sequence[str] = ()
    key: int | None = None
    """Its place in the log, once it is there."""

    @property
    def model(self) -> str | None:
        """The model that answered, else the one that was asked for."""
        return self.answer.model or self.prompt.model or self.endpoint.model
