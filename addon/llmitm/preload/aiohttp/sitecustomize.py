"""Loaded by `llmitm run --aiohttp` into every Python program: sessions of aiohttp follow the proxy variables.

By itself aiohttp ignores them (https://docs.aiohttp.org/en/stable/client_advanced.html#proxy-support, read 2026-11-24).
Whatever Python the program brings runs this file, so it imports nothing that costs time, and runs the user's own
`sitecustomize`, whose place it takes, too.
"""

from __future__ import annotations

import functools
import importlib
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType


class _Finder:
    """Change aiohttp when a program imports it."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != "aiohttp.client":
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def load_and_change(module: ModuleType) -> None:
                load(module)
                _trust_environment(module.ClientSession)

            spec.loader.exec_module = load_and_change  # type: ignore[method-assign]
        return spec


def _trust_environment(session: type) -> None:
    make = session.__init__  # type: ignore[misc]

    @functools.wraps(make)
    def make_trusting(self: object, *args: object, **options: object) -> None:
        # Also where a library passes False, as LiteLLM does: who asks for this shim wants the calls seen.
        make(self, *args, **{**options, "trust_env": True})

    session.__init__ = make_trusting  # type: ignore[misc]


def _run_users_own() -> None:
    ours = sys.modules.pop(__name__)
    folder = os.path.realpath(os.path.dirname(__file__))  # noqa: PTH120  (pathlib takes 5 ms to import)
    sys.path[:] = [entry for entry in sys.path if os.path.realpath(entry) != folder]
    try:
        importlib.import_module(__name__)
    except ImportError as error:
        if error.name != __name__:
            raise
    finally:
        sys.modules.setdefault(__name__, ours)


sys.meta_path.insert(0, _Finder())
_run_users_own()
