"""Which processes hold something and which of them are dead: each has a file of its own that it keeps locked.

The system lets go of a lock when its process ends, however that ends; a number is never mistaken for that of another.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from uuid import uuid4


class Owner:
    """A process, as others can find out whether it lives."""

    def __init__(self, folder: Path) -> None:
        """Take a name and lock its file. Raises `OSError`."""
        self.folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.name = uuid4().hex
        self._file = os.open(folder / self.name, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def is_dead(self, name: str) -> bool:
        """Tell whether another one has ended."""
        if name == self.name:
            return False
        try:
            file = os.open(self.folder / name, os.O_RDWR)
        except OSError:
            return True  # it took its file away as it ended
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        finally:
            os.close(file)
        return True

    def bury(self, name: str) -> None:
        """Take away the file of one that is dead and has nothing left."""
        with suppress(OSError):
            (self.folder / name).unlink()

    def close(self) -> None:
        """Take the file away, and let go of the lock."""
        self.bury(self.name)
        os.close(self._file)
