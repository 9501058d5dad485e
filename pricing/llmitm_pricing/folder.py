"""The price files of a folder: each is read when it is first asked for, and again when it has changed.

A file of the user's that has become wrong must not change what calls cost: until it is right again the prices that
were read last stay in force.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from llmitm_pricing.files import PriceFileError, read
from llmitm_pricing.names import Names


class Stamp(NamedTuple):
    """What tells a file from what it was before."""

    modified_ns: int
    size: int
    inode: int


class Broken(NamedTuple):
    """A file that cannot be used as it is."""

    told: str
    """What is wrong, with file, line and key."""
    stamp: Stamp
    has_last: bool
    """Whether the prices that were read before are in force; else there are none."""


class Folder:
    """The files of a folder, by provider. What was once read stays as it is.

    Raises:
        PriceFileError: The folder cannot be read. One that is not there is an empty one.

    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamps = _stamps(path)
        self._read: dict[str, Names] = {}
        self._last: Mapping[str, Names] = {}
        """What is in force for files that are broken now."""
        self._broken: dict[str, Broken] = {}

    @property
    def providers(self) -> Sequence[str]:
        """The providers that have a file here."""
        return sorted(self._stamps)

    def is_broken(self, provider: str) -> bool:
        """Return whether a provider's file was found wrong when the folder was read again."""
        return provider in self._broken

    @property
    def broken(self) -> Mapping[Path, Broken]:
        """The files that were found wrong when the folder was read again."""
        return {self._path(provider): broken for provider, broken in self._broken.items()}

    def names(self, provider: str) -> Names | None:
        """Return a provider's file, None where there is none.

        Raises:
            PriceFileError: The file is wrong.

        """
        if provider not in self._stamps:
            return None
        if broken := self._broken.get(provider):
            if last := self._last.get(provider):
                return last
            raise PriceFileError(broken.told)
        names = self._read.get(provider)
        if names is None:
            names = self._read[provider] = Names(read(self._path(provider)))
        return names

    def changed(self) -> bool:
        """Return whether a file was added, changed or removed."""
        try:
            return _stamps(self.path) != self._stamps
        except PriceFileError:
            return False

    def read_again(self) -> Folder:
        """Return the folder as it is now, all of it read."""
        fresh = Folder(self.path)
        fresh._last = self._in_force()
        for provider, stamp in fresh._stamps.items():
            if stamp == self._stamps.get(provider) and provider in self._read:
                fresh._read[provider] = self._read[provider]
                continue
            try:
                fresh.names(provider)
            except PriceFileError as error:
                fresh.refuse(provider, str(error))
        return fresh

    def refuse(self, provider: str, told: str) -> None:
        """Take a file that is wrong out of force."""
        has_last = provider in self._last
        self._broken[provider] = Broken(told, self._stamps[provider], has_last)

    def _in_force(self) -> Mapping[str, Names]:
        kept = {name: names for name, names in self._last.items() if name in self._broken}
        return {**{n: names for n, names in self._read.items() if n not in self._broken}, **kept}

    def _path(self, provider: str) -> Path:
        return self.path / f"{provider}.toml"


def _stamps(folder: Path) -> dict[str, Stamp]:
    try:
        paths = list(folder.iterdir())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise PriceFileError(f"{folder}: {error}") from error
    stamps: dict[str, Stamp] = {}
    for path in paths:
        if path.suffix == ".toml" and not path.name.startswith("."):
            with suppress(OSError):  # gone by now, or a link to what is gone
                found = path.stat()
                stamps[path.stem] = Stamp(found.st_mtime_ns, found.st_size, found.st_ino)
    return stamps
