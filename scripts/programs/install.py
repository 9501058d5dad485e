"""Programs, installed from their registries into folders that are thrown away."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from programs.catalogue import Package

_SECONDS = 300


class Unavailable(Exception):
    """A program cannot be had: no registry answers, or what it needs is missing."""


class Installed(NamedTuple):
    """A program that can be run."""

    binary: Path
    version: str


def install(package: Package, place: Path) -> Installed:
    """Install a package into a folder below `place`, unless it is there already.

    Raises:
        Unavailable: It could not be installed, or has no program for this machine.

    """
    folder = place / package.names[0].strip("@").replace("/", "-")
    if not _binary(package, folder):
        folder.mkdir(parents=True, exist_ok=True)
        (_npm if package.registry == "npm" else _pypi)(package, folder)
    binary = _binary(package, folder)
    if binary is None:
        raise Unavailable(f"{package.names[0]} has no {package.binary} for this machine")
    return Installed(binary, _version(package, folder))


def _binary(package: Package, folder: Path) -> Path | None:
    return next((path for path in sorted(folder.glob(package.binary)) if path.exists()), None)


def _npm(package: Package, folder: Path) -> None:
    npm = _program("npm")
    # The newest, where npm by itself would choose an older one for the sake of an older Node.
    wanted = [f"{name}@latest" for name in package.names]
    _run([npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", *wanted])


def _pypi(package: Package, folder: Path) -> None:
    uv = _program("uv")
    _run([uv, "venv", "--quiet", "--clear", "--python", _python(package.python), str(folder)])
    where = ["--python", str(folder / "bin" / "python")]
    # Nothing is compiled: what has no wheel for this Python counts as not to be had.
    _run([uv, "pip", "install", "--quiet", "--only-binary", ":all:", *where, *package.names])


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise Unavailable(f"there is no {name} here")
    return found


def _python(version: str) -> str:
    """Return a Python of a version, pyenv's among them: what pyenv puts on the PATH may refuse to start."""
    if not version or f"{sys.version_info.major}.{sys.version_info.minor}" == version:
        return sys.executable
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = sorted(root.glob(f"versions/{version}.*/bin/python3"))
    return str(found[-1]) if found else version


def _version(package: Package, folder: Path) -> str:
    name = package.names[0]
    if package.registry == "npm":
        described = folder / "node_modules" / name / "package.json"
        return str(json.loads(described.read_text("utf-8"))["version"])
    listed = _run([_program("uv"), "pip", "list", "--format", "json", "--python", str(folder)])
    return next(str(each["version"]) for each in json.loads(listed) if each["name"] == name)


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=True,
            env=os.environ | {"UV_PYTHON_DOWNLOADS": "never"},
        )
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip().splitlines() or ["it says nothing"]
        raise Unavailable(f"{Path(command[0]).name}: {said[0][:200]}") from error
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"{Path(command[0]).name}: no end in {_SECONDS} s") from error
    return done.stdout
