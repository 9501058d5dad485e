"""`[otlp]` of the settings: the collector that calls go to as they are recorded."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("an address such as http://localhost:4318")
    return value.rstrip("/")


class OtlpSettings(BaseModel):
    """Where calls go as OpenTelemetry's spans and metrics."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    endpoint: Annotated[str, AfterValidator(_address)] | None = None
    """A collector's address, without `/v1/traces`. With it each call is sent as it is recorded."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Sent with each request: a key, a tenant."""
    service: str = "llmitm"
    """`service.name` of all of it."""
    content: bool = False
    """Send prompts and answers as well."""
