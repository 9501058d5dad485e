"""Two threads on one core, and back."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from llmitm import one_core as one_core_module
from llmitm.one_core import one_core

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2,
    reason="wants Linux and two cores",
)


def cores(thread: int = 0) -> set[int]:
    """Return the cores that a thread may use."""
    return os.sched_getaffinity(thread)


class Beside:
    """A thread that shares this one's core until it is told to stop."""

    def __init__(self, other: int) -> None:
        self.inside = threading.Event()
        self.stop = threading.Event()
        self.own: list[set[int]] = []
        self._other = other
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> Beside:
        self._thread.start()
        assert self.inside.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self._thread.join(10)

    def _work(self) -> None:
        with one_core(self._other):
            self.own.append(cores())
            self.inside.set()
            self.stop.wait(10)
        self.own.append(cores())


def test_both_are_on_one_core_and_then_as_before() -> None:
    before = cores()
    with Beside(threading.get_native_id()) as beside:
        assert cores() == beside.own[0]
        assert len(cores()) == 1
    assert cores() == before
    assert beside.own[1] == before


def test_a_thread_that_is_started_meanwhile_is_let_go_too() -> None:
    before = cores()
    asked, ended = threading.Event(), threading.Event()
    found: list[set[int]] = []

    def wait() -> None:
        found.append(cores())
        asked.set()
        ended.wait(10)
        found.append(cores())

    with Beside(threading.get_native_id()):
        started = threading.Thread(target=wait)
        started.start()
        assert asked.wait(10)
    ended.set()
    started.join(10)
    assert len(found[0]) == 1
    assert found[1] == before


def test_a_thread_that_has_ended_is_no_fault() -> None:
    gone = threading.Thread(target=lambda: None)
    gone.start()
    gone.join(10)
    assert gone.native_id is not None
    before = cores()
    with one_core(gone.native_id):
        assert cores() == before
    assert cores() == before


def _fail_beside(other: int) -> None:
    with one_core(other):
        raise RuntimeError(f"on {len(cores())} core")


def test_what_is_raised_is_raised_and_the_cores_are_given_back() -> None:
    before = cores()
    ended = threading.Event()
    other = threading.Thread(target=lambda: ended.wait(10))
    other.start()
    assert other.native_id is not None
    with pytest.raises(RuntimeError, match="on 1 core"):
        _fail_beside(other.native_id)
    assert cores() == cores(other.native_id) == before
    ended.set()
    other.join(10)


def test_the_cores_are_given_back_where_no_thread_can_be_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = cores()
    with Beside(threading.get_native_id()):
        monkeypatch.setattr(one_core_module, "_threads", _no_descriptor_is_left)
    assert cores() == before


def _no_descriptor_is_left() -> set[int]:
    raise OSError("too many open files")
