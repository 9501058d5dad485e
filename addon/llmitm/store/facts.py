"""What a price rests on, as columns of `calls`: those that every call has, and those that few calls need.

A chat call needs none but the ordinary ones. The others are written where they alone tell something, so that what is
read back is what was written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from llmitm.basis import NOT_CHARGED, TOKENS, Basis, Quantity, Share
from llmitm.money import dollars

_READ = (
    "started_at",
    "provider",
    "host",
    "operation",
    "path",
    "model_requested",
    "model",
    *(column for _, column in TOKENS),
    "other_units",
    "usage_source",
    "outcome",
    "price_id",
    "service_tier",
    "inference_geo",
    "speed",
)
_OWN = (
    "basis",
    "model_names",
    "service_tier_requested",
    "attributes",
    "measured",
    "usage_by_model",
)
COLUMNS = (*_READ, "model_override", "provider_cost_nanousd", *_OWN)
"""The columns that `read` looks at."""

_REQUEST: Mapping[str, Quantity] = {"request": 1}
"""Measured of every call, and so never written."""


def columns(basis: Basis | None, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns that tell of a basis what the other columns of its row do not."""
    written: dict[str, Any] = dict.fromkeys(_OWN)
    if basis is None:
        return written
    written["basis"] = 1
    if basis.free is not None:
        return written
    if basis.tier != _tier(row, None):
        written["service_tier_requested"] = basis.tier
    if basis.attributes:
        written["attributes"] = _json(basis.attributes)
    share, *more = basis.shares
    told = {**_REQUEST, **_usage(row)}
    measured = {unit: count for unit, count in share.usage.items() if unit not in told}
    if more or share.prompt is not None or share.usage != {**measured, **told}:
        written["usage_by_model"] = _json([_written(each) for each in basis.shares])
        return written
    if measured:
        written["measured"] = _json(measured)
    if share.models != _models(row, None):
        written["model_names"] = _json(share.models)
    return written


def read(row: Mapping[str, Any]) -> Basis | None:
    """Return the basis of a call; None where the row does not tell all of it, as in logs of older versions."""
    if not row["basis"]:
        return None
    at = datetime.fromtimestamp(row["started_at"] / 1000, UTC)
    price_id = row["price_id"]
    if price_id is not None and price_id.startswith(NOT_CHARGED):
        return Basis(row["provider"], at, price_id.removeprefix(NOT_CHARGED))
    return Basis(
        row["provider"],
        at,
        shares=_shares(row),
        tier=_tier(row, row["service_tier_requested"]),
        geo=row["inference_geo"],
        speed=row["speed"],
        host=row["host"],
        path=row["path"].partition("?")[0],
        attributes=json.loads(row["attributes"]) if row["attributes"] else {},
        provider_usd=dollars(row["provider_cost_nanousd"]),
        cut_off=row["usage_source"] == "none" and row["outcome"] in ("cancelled", "error"),
    )


def _shares(row: Mapping[str, Any]) -> tuple[Share, ...]:
    if row["usage_by_model"]:
        return tuple(map(_share, json.loads(row["usage_by_model"])))
    measured = json.loads(row["measured"]) if row["measured"] else {}
    models = _models(row, row["model_names"])
    return (Share(models, {**_REQUEST, **measured, **_usage(row)}),)


def _written(share: Share) -> list[Any]:
    """Return a share as it is written: the names, what was used, and of many requests what they have in common."""
    common = {"prompt": share.prompt, "geo": share.geo}
    common = {name: value for name, value in common.items() if value is not None}
    return [*share.models, share.usage, *([common] if common else ())]


def _share(written: list[Any]) -> Share:
    names = tuple(name for name in written if isinstance(name, str))
    usage, *common = written[len(names) :]
    return Share(names, usage, **(common[0] if common else {}))


def _usage(row: Mapping[str, Any]) -> dict[str, Quantity]:
    usage = {unit: row[column] for unit, column in TOKENS if row[column] is not None}
    if row["other_units"]:
        usage |= json.loads(row["other_units"])
    return usage


def _models(row: Mapping[str, Any], names: str | None) -> tuple[str, ...]:
    if names is not None:
        return tuple(json.loads(names))
    if row["model_override"]:
        return (row["model_override"],)
    return tuple(dict.fromkeys(filter(None, (row["model"], row["model_requested"]))))


def _tier(row: Mapping[str, Any], requested: str | None) -> str | None:
    if requested is not None:
        return requested
    if row["operation"] == "batch":
        return "batch"
    tier: str | None = row["service_tier"]
    return tier.lower() if tier else None


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
