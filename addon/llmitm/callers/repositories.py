"""The git repository and branch of a directory, read out of git's own files: no git is started.

`.git/HEAD` and `.git/config`, for worktrees and submodules through the file `.git`
(https://git-scm.com/docs/gitrepository-layout).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from posixpath import basename, dirname, join, normpath
from typing import NamedTuple

type ReadText = Callable[[str], str | None]
"""Returns a small file's text by its absolute path; None where there is none."""

_MOST_LEVELS = 64
_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHORT_HASH = 7
_SECTION = re.compile(r"\[\s*([\w.-]+)\s*(?:\"((?:[^\"\\]|\\.)*)\")?\s*\]")
_URL = re.compile(r"url\s*=\s*(.*)", re.IGNORECASE)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://[^/]*", re.IGNORECASE)
_HOST = re.compile(r"[^/]*?:")
"""`git@host:` of `git@host:team/project.git`."""
_NO_REF = "refs/heads/.invalid"
"""What HEAD says where references are kept elsewhere (https://git-scm.com/docs/reftable)."""


class Repository(NamedTuple):
    """A checkout; what is None is not known."""

    name: str | None
    branch: str | None
    """The short hash of the commit, where no branch is checked out."""


def find(directory: str, read: ReadText) -> Repository | None:
    """Return the repository that a directory is in."""
    for level in _levels(directory):
        dot_git = join(level, ".git")
        for folder in (dot_git, _pointed_at(level, read(dot_git))):
            head = read(join(folder, "HEAD")) if folder is not None else None
            if folder is not None and head is not None and (head := head.strip()):
                common = _common(folder, read)
                remote = _remote(read(join(common, "config")) or "")
                return Repository(
                    remote or _place(common) or basename(level) or None, _branch(head)
                )
    return None


def _levels(directory: str) -> Iterator[str]:
    """Yield a directory and those above it."""
    level = normpath(directory)
    for _ in range(_MOST_LEVELS):
        yield level
        above = dirname(level)
        if above == level:
            return
        level = above


def _pointed_at(level: str, text: str | None) -> str | None:
    """Return the folder that a file `.git` names, as in worktrees and submodules."""
    if text is None or not text.startswith("gitdir:"):
        return None
    return normpath(join(level, text.removeprefix("gitdir:").strip()))


def _common(folder: str, read: ReadText) -> str:
    """Return the folder that the worktrees of a repository share."""
    common = read(join(folder, "commondir"))
    return normpath(join(folder, common.strip())) if common else folder


def _branch(head: str) -> str | None:
    if head.startswith("ref:"):
        ref = head.removeprefix("ref:").strip()
        return ref.removeprefix("refs/heads/") if ref and ref != _NO_REF else None
    return head[:_SHORT_HASH] if _HASH.fullmatch(head) else None


def _remote(config: str) -> str | None:
    """Return the name of the repository at `origin`, or at the first remote with an address."""
    remotes: dict[str, str] = {}
    remote: str | None = None
    for line in map(str.strip, config.splitlines()):
        if section := _SECTION.match(line):
            remote = section[2] if section[1].lower() == "remote" else None
            line = line[section.end() :].strip()
        if remote is not None and (url := _URL.fullmatch(line)) and (called := _last(url[1])):
            remotes.setdefault(remote, called)
    return remotes.get("origin") or next(iter(remotes.values()), None)


def _last(url: str) -> str | None:
    """Return the last part of an address's path: nothing of the host, where a password may stand."""
    url = url.strip().strip('"')
    scheme = _SCHEME.match(url) or _HOST.match(url)
    path = url[scheme.end() :] if scheme else url
    path = re.split(r"[?#]", path)[0].rstrip("/")
    return basename(path).removesuffix(".git") or None


def _place(common: str) -> str | None:
    """Return the name of the folder whose `.git` this is."""
    return basename(dirname(common)) if basename(common) == ".git" else None
