"""Repositories and branches, out of what git itself wrote, and of what nobody would."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmitm.callers.linux import Linux
from llmitm.callers.repositories import Repository, find


def read(path: str) -> str | None:
    file = Path(path)
    return file.read_text() if file.is_file() else None


def git(folder: Path, *arguments: str) -> str:
    """Run git without anybody's settings."""
    environment = {
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_SYSTEM": "/dev/null",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        **{f"GIT_{who}_NAME": "me" for who in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{who}_EMAIL": "me@example.com" for who in ("AUTHOR", "COMMITTER")},
    }
    command = ["git", "-c", "protocol.file.allow=always", *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    git(folder, "commit", "-q", "--allow-empty", "-m", "first")
    return folder


def test_a_checkout_and_the_folders_in_it(project: Path) -> None:
    inner = project / "src" / "deep"
    inner.mkdir(parents=True)
    assert find(str(project), read) == Repository("project", "main")
    assert find(str(inner), read) == Repository("project", "main")
    assert find(str(project.parent), read) is None


def test_a_branch_with_a_slash(project: Path) -> None:
    git(project, "checkout", "-q", "-b", "feature/callers")
    assert find(str(project), read) == Repository("project", "feature/callers")


def test_a_repository_without_commits(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "trunk", "new")
    assert find(str(tmp_path / "new"), read) == Repository("new", "trunk")


def test_a_detached_head(project: Path) -> None:
    git(project, "checkout", "-q", "--detach")
    found = find(str(project), read)
    assert found is not None
    assert found.branch == git(project, "rev-parse", "--short=7", "HEAD")


def test_a_worktree(project: Path, tmp_path: Path) -> None:
    git(project, "remote", "add", "origin", "https://example.com/team/agents.git")
    git(project, "worktree", "add", "-q", "-b", "other", str(tmp_path / "elsewhere"))
    assert find(str(tmp_path / "elsewhere"), read) == Repository("agents", "other")
    git(project, "remote", "remove", "origin")
    assert find(str(tmp_path / "elsewhere"), read) == Repository("project", "other")


def test_a_submodule(project: Path, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main", "outer")
    git(tmp_path / "outer", "submodule", "--quiet", "add", str(project), "lib/inner")
    assert find(str(tmp_path / "outer" / "lib" / "inner"), read) == Repository("project", "main")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://github.com/team/agents.git", "agents"),
        ("https://me:hunter2@example.com/team/agents", "agents"),
        ("https://me:hunter2@example.com", "project"),
        ("git@github.com:team/agents.git", "agents"),
        ("git@github.com:agents.git/", "agents"),
        ("ssh://git@example.com:22/team/agents.git", "agents"),
        ("https://example.com/team/agents.git?token=hunter2", "agents"),
        ("/srv/git/agents.git", "agents"),
        ("../agents", "agents"),
    ],
)
def test_the_name_is_the_last_part_of_the_remote(project: Path, url: str, name: str) -> None:
    git(project, "remote", "add", "upstream", "https://example.com/other.git")
    git(project, "remote", "add", "origin", url)
    if name == "project":
        git(project, "remote", "remove", "upstream")
    assert find(str(project), read) == Repository(name, "main")


def test_another_remote_where_there_is_no_origin(project: Path) -> None:
    git(project, "remote", "add", "upstream", "https://example.com/other.git")
    assert find(str(project), read) == Repository("other", "main")


def test_a_repository_with_its_references_elsewhere() -> None:
    files = {"/a/.git/HEAD": "ref: refs/heads/.invalid\n"}
    assert find("/a", files.get) == Repository("a", None)


def test_a_pipe_does_not_hold_anybody_up(tmp_path: Path) -> None:
    import os

    (tmp_path / ".git").mkdir()
    os.mkfifo(tmp_path / ".git" / "HEAD")
    # Of our own process: files are read through /proc, as those of others are.
    assert find(str(tmp_path), Linux().files_of(os.getpid())) is None


_WORDS = st.sampled_from(
    ["gitdir:", "ref:", "refs/heads/", '[remote "origin"]', "url = ", "\n", "..", "/"]
)


@given(
    st.dictionaries(
        st.sampled_from(["HEAD", "config", "commondir"]), st.lists(_WORDS | st.text()).map("".join)
    )
)
def test_hostile_files(files: dict[str, str]) -> None:
    find("/a/b", lambda path: files.get(path.rpartition("/")[2]))
    find("/a/b", lambda path: files.get("HEAD") if path.endswith(".git") else files.get("config"))


@given(st.text())
def test_hostile_directories(directory: str) -> None:
    assert find(directory, lambda _: None) is None
