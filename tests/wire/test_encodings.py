from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from llmitm.wire.encodings import LARGEST_DECODED, ContentDecoder, decode, encode
from wire.chunks import cut_points, pieces


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.compress,
}


@pytest.mark.parametrize("name", ENCODERS)
@given(data=st.binary(max_size=500), cuts=cut_points)
def test_pieces_decode_to_the_whole(name: str, data: bytes, cuts: list[int]) -> None:
    decoder = ContentDecoder(name)
    assert b"".join(map(decoder.feed, pieces(ENCODERS[name](data), cuts))) == data
    assert not decoder.broken


def test_deflate_without_its_wrapper() -> None:
    assert decode(raw_deflate(b"hello" * 100), "deflate") == b"hello" * 100


def test_several_encodings_are_undone_in_reverse() -> None:
    assert decode(gzip.compress(brotli.compress(b"x")), "br, gzip") == b"x"


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_members_one_after_the_other(name: str) -> None:
    assert decode(ENCODERS[name](b"one ") + ENCODERS[name](b"two"), name) == b"one two"


@pytest.mark.parametrize("name", ENCODERS)
def test_a_body_that_is_not_what_its_header_says_stays_as_it_is(name: str) -> None:
    assert decode(b'{"error": "plain"}', name) == b'{"error": "plain"}'


# Raw deflate may begin with the letters of an event.
@pytest.mark.parametrize("name", ["gzip", "br", "zstd"])
@pytest.mark.parametrize("text", [b'{"id": 1}', b"data: {}\n\n", b"event: ping\ndata: {}\n\n"])
def test_a_body_that_is_not_encoded_at_all_is_taken_as_it_is(name: str, text: bytes) -> None:
    decoder = ContentDecoder(name)
    assert b"".join(decoder.feed(text[at : at + 1]) for at in range(len(text))) == text


@pytest.mark.parametrize("text", [b"", b"{}", b'{"id":"chatcmpl-1"}' * 9, b"data: {}\n\n" * 9999])
@pytest.mark.parametrize("window", range(10, 25))
def test_no_brotli_stream_passes_for_plain_text(text: bytes, window: int) -> None:
    for quality in range(12):
        packed = brotli.compress(text, quality=quality, lgwin=window)
        assert ContentDecoder("br").feed(packed) == text


@pytest.mark.parametrize("name", ["gzip", "deflate", "zstd"])
def test_a_body_cut_short_gives_its_start(name: str) -> None:
    text = bytes(range(256)) * 2000
    whole = ENCODERS[name](text)
    assert text.startswith(decode(whole[: len(whole) - 6], name))


@pytest.mark.parametrize("name", [*ENCODERS, "compress", "gzip, br"])
@given(data=st.binary(max_size=100))
def test_hostile_bytes_never_raise(name: str, data: bytes) -> None:
    decode(data, name)


def test_identity_is_nothing() -> None:
    assert decode(b"x", "identity") == decode(b"x", None) == b"x"


@pytest.mark.parametrize("name", ENCODERS)
def test_what_expands_without_end_is_decoded_up_to_a_limit(name: str) -> None:
    decoder = ContentDecoder(name)
    decoded = decoder.feed(ENCODERS[name](bytes(2 * LARGEST_DECODED)))
    assert decoder.is_full
    assert LARGEST_DECODED < len(decoded) < 2 * LARGEST_DECODED
    assert decoder.feed(b"more") == b""


@given(st.sampled_from(["gzip", "deflate", "br", "zstd"]), st.binary())
def test_encoding_is_undone_by_decoding(name: str, data: bytes) -> None:
    encoded = encode(data, name)
    assert encoded is not None
    assert decode(encoded, name) == data


def test_an_unknown_encoding_is_not_encoded() -> None:
    assert encode(b"x", "xz") is None
    assert encode(b"x", "gzip, br") is None
