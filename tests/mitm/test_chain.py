from __future__ import annotations

import logging
import sys

import pytest
from mitmproxy.proxy.layers.http import _http1

from llmitm.mitm import chain, layers


def test_the_layers_are_changed_once() -> None:
    layers.mend()
    changed = _http1.Http1Client.send
    layers.mend()
    assert _http1.Http1Client.send is changed


def test_a_mitmproxy_that_is_not_known_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr("llmitm.mitm.layers")
    monkeypatch.setitem(sys.modules, "llmitm.mitm.layers", None)
    with caplog.at_level(logging.WARNING):
        chain._mend()
    assert "is left as it is" in caplog.text
