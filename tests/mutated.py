"""The mutations of scripts/mutate, for tests: the script's folder is no part of their path."""

from __future__ import annotations

import sys
from pathlib import Path

_SCRIPTS = str(Path(__file__).parents[1] / "scripts")

sys.path.insert(0, _SCRIPTS)
try:
    from mutations import heavy, run, sources
finally:
    sys.path.remove(_SCRIPTS)

__all__ = ["heavy", "run", "sources"]
