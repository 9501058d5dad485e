"""Templates: everything that a page says is escaped, and made visible first."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from llmitm.cli import output
from llmitm.dashboard import times
from llmitm.dashboard.charts import bars, sparkline
from llmitm.dashboard.charts.colours import colour, family
from llmitm.dashboard.visible import visible

FOLDER = Path(__file__).parent


def _finally(value: object) -> object:
    """Return what an expression of a template shows; escaping comes after it."""
    if isinstance(value, Markup):
        return value
    if isinstance(value, str):
        return visible(value)
    return "" if value is None else value


@cache
def templates() -> Environment:
    """Return the templates."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finally,
    )
    environment.filters |= {
        "money": output.money,
        "spent": output.spent,
        "count": output.count,
        "seconds": output.seconds,
        "clock": output.clock,
        "moment": times.moment,
        "ago": times.ago,
        "day": times.day,
        "length_of": times.length,
    }
    environment.globals |= {
        "share": output.share,
        "bar": bars.bar,
        "sparkline": sparkline.sparkline,
        "colour": colour,
        "family": family,
    }
    return environment


def render(template: str, values: Mapping[str, object]) -> str:
    """Return a page."""
    return templates().get_template(template).render(values)
