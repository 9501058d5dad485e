from __future__ import annotations

import time

import pytest

from llmitm.calls import Exchange
from llmitm.mitm import tee
from llmitm.mitm.guard import faults
from llmitm.mitm.tee import RequestTee, ResponseTee
from llmitm.policy.usage_chunk import UsageRemover
from llmitm.wire.uploads import Kept


def exchange() -> Exchange:
    return Exchange("1", time.time(), "POST", "https", "h", 443, "/", [], b"")


def test_chunks_pass_unchanged_and_are_kept_with_their_times() -> None:
    seen = exchange()
    tap = ResponseTee(seen)
    assert [tap(data) for data in (b"a", b"bc", b"")] == [b"a", b"bc", b""]
    assert seen.chunks == [b"a", b"bc"]
    assert len(seen.chunk_times) == 2
    assert 0 <= seen.chunk_times[0] <= seen.chunk_times[1]


def test_a_fault_in_the_remover_lets_the_rest_pass() -> None:
    class Broken(UsageRemover):
        def feed(self, data: bytes) -> bytes:
            raise ValueError("ours")

    faults.clear()
    tap = ResponseTee(exchange(), Broken())
    assert [tap(b"a"), tap(b"b")] == [b"a", b"b"]
    assert faults["UsageRemover"] == 1


def test_what_is_too_large_passes_unseen() -> None:
    seen = exchange()
    tap = ResponseTee(seen)
    block = bytes(16 * 1024 * 1024)
    passed = sum(len(tap(block)) for _ in range(6))
    assert passed == 6 * len(block)
    assert passed > tee.LONGEST_KEPT
    assert seen.response_truncated
    assert seen.chunks == [block]  # its start; the end, with the usage, will not be seen
    assert len(seen.chunk_times) == 1
    assert len(block) + seen.response_unseen == passed


def test_what_is_read_by_lines_goes_on_in_a_file() -> None:
    seen = exchange()
    tap = ResponseTee(seen, to_file=True)
    block = bytes(16 * 1024 * 1024)
    assert sum(len(tap(block)) for _ in range(6)) == 6 * len(block)
    assert seen.rest is not None
    with seen.rest:
        assert len(b"".join(seen.chunks)) + seen.rest.tell() == 6 * len(block)
    assert not seen.response_truncated


def test_a_file_that_cannot_be_written_loses_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tee, "TemporaryFile", lambda: open("/dev/full", "wb", buffering=0))  # noqa: SIM115, PTH123
    seen = exchange()
    tap = ResponseTee(seen, to_file=True)
    block = bytes(16 * 1024 * 1024)
    assert all(tap(block) is block for _ in range(3))
    assert seen.response_truncated
    assert seen.rest is not None
    seen.rest.close()


def test_the_start_of_an_upload_is_kept() -> None:
    seen = exchange()
    tap = RequestTee(seen, Kept(1000))
    block = bytes(600)
    assert all(tap(block) == block for _ in range(4))
    assert tap(b"") == b""
    tap.settle()
    assert (len(seen.request_body), seen.request_gaps) == (1000, [(1000, 1400)])
    assert seen.request_truncated


def test_a_fault_in_keeping_lets_the_upload_pass() -> None:
    class Broken(Kept):
        def feed(self, data: bytes) -> None:
            raise ValueError("ours")

    faults.clear()
    seen = exchange()
    tap = RequestTee(seen, Broken(1000))
    assert [tap(b"a"), tap(b"b"), tap(b"")] == [b"a", b"b", b""]
    tap.settle()
    assert faults["RequestTee"] == 1
    assert seen.request_truncated
    faults.clear()
