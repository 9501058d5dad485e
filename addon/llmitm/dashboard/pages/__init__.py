"""The pages, in the order of the menu. A new one is its module's name here, the module, and a template."""

from __future__ import annotations

import importlib
from functools import cache

from llmitm.dashboard.page import Page

_MODULES = (
    "now",
    "calls",
    "runs",
    "models",
    "users",
    "workflows",
    "reliability",
    "cache",
    "budgets",
    "prices",
    "setup",
)


@cache
def pages() -> dict[str, Page]:
    """Return the pages by their names, in the order of the menu."""
    found = [importlib.import_module(f"{__name__}.{module}").PAGE for module in _MODULES]
    return {page.name: page for page in found}
