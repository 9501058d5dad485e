"""How alerts stand: what each watches, its value at this moment, whether it fires, whether it is muted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from llmitm.alerts.runner import BudgetUse, measure
from llmitm.errors import LlmitmError
from llmitm.home import Home
from llmitm.policy.alert_conditions import Condition, shown
from llmitm.settings import Settings
from llmitm.store.alerts import AlertFile
from llmitm.store.reader import Reader
from llmitm.store.runaways import RunawayFile


@dataclass(frozen=True, slots=True)
class Standing:
    """An alert at a moment. Times are seconds since the epoch."""

    name: str
    condition: Condition
    to: tuple[str, ...]
    since: float | None
    """When it began to fire; None where it does not."""
    groups: tuple[Mapping[str, str], ...]
    """Which of its groups fire."""
    value: Decimal | None
    """At this moment, that of the group furthest out."""
    is_muted: bool
    muted_until: float | None

    @property
    def now(self) -> str:
        """The value as people read it."""
        return "–" if self.value is None else shown(self.value, self.condition.unit)


def standings(
    place: Home,
    settings: Settings,
    reader: Reader | None,
    now: float,
    budget_use: BudgetUse | None = None,
) -> list[Standing]:
    """Return how all alerts stand. Raises `sqlite3.Error`, `OSError`."""
    file = AlertFile(place.alerts) if place.alerts.exists() else None
    mutes = file.mutes(now) if file else {}
    found = []
    for name, alert in settings.alert.items():
        condition = alert.condition
        firing = file.firing(name, str(condition)) if file else {}
        found.append(
            Standing(
                name=name,
                condition=condition,
                to=alert.to,
                since=min((each.since for each in firing.values()), default=None),
                groups=tuple(dict(zip(condition.by, group, strict=True)) for group in firing),
                value=_value(place, condition, reader, now, budget_use),
                is_muted=name in mutes,
                muted_until=mutes.get(name),
            )
        )
    return found


def mute(place: Home, settings: Settings, name: str, until: float | None) -> None:
    """Send nothing of an alert until then; None is until `unmute`. Raises `LlmitmError`."""
    _require(settings, name)
    place.create()
    AlertFile(place.alerts).mute(name, until)


def unmute(place: Home, settings: Settings, name: str) -> None:
    """Send messages of an alert again. Raises `LlmitmError`."""
    _require(settings, name)
    place.create()
    AlertFile(place.alerts).unmute(name)


def _require(settings: Settings, name: str) -> None:
    if name not in settings.alert:
        known = ", ".join(settings.alert) or "none"
        raise LlmitmError(f"there is no alert {name!r}; there is {known}")


def _value(
    place: Home,
    condition: Condition,
    reader: Reader | None,
    now: float,
    budget_use: BudgetUse | None,
) -> Decimal | None:
    at = datetime.fromtimestamp(now, UTC).astimezone()
    window = None if condition.window is None else condition.window.bounds(at)
    measured = measure(condition, reader, window, budget_use, RunawayFile(place.runaways)) or ()
    values = [each.value for each in measured if each.value is not None]
    if not values:
        return None
    return (max if condition.operator in (">", ">=") else min)(values)
