"""Cut streams that a budget does not pay for any more: the client gets a proper end, the provider is told to stop."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mitmproxy import http

from llmitm.mitm.flights import CUT
from llmitm.mitm.guard import note_fault
from llmitm.policy.cutting import StreamCut

type _Tap = Callable[[bytes], Iterable[bytes] | bytes]


class CutTee:
    """Stands behind the tap on a response; never raises."""

    __slots__ = ("_cut", "_flow", "_on_cut", "_tap")

    def __init__(
        self, flow: http.HTTPFlow, tap: _Tap, cut: StreamCut, on_cut: Callable[[int], None]
    ) -> None:
        self._flow = flow
        self._tap = tap
        self._cut: StreamCut | None = cut
        self._on_cut = on_cut

    def __call__(self, data: bytes) -> bytes | tuple[()]:
        """Take a chunk, return what the client gets; `b""` is the end of the body."""
        passed = self._tap(data)
        passed = passed if isinstance(passed, bytes) else b"".join(passed)
        cut = self._cut
        if cut is None:
            return passed or ()
        try:
            was_cut = cut.is_cut
            out = cut.feed(passed) if passed else b""
            if not data:
                out += cut.flush()
            if cut.is_cut and not was_cut:
                self._flow.metadata[CUT] = True
                self._on_cut(cut.tokens)
        except Exception:
            note_fault("CutTee")
            self._cut = None
            return passed or ()
        return out or ()
