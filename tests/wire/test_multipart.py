from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from llmitm.wire.multipart import files, parse

BODY = (
    b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n'
    b'--b\r\nContent-Disposition: form-data; name="include[]"\r\n\r\na\r\n'
    b'--b\r\nContent-Disposition: form-data; name="include[]"\r\n\r\nb\r\n'
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n'
    b"\x00\xff\r\n--not-the-boundary\r\n--b--\r\n"
)


def test_fields_are_text_and_files_are_sizes() -> None:
    assert parse(BODY, 'multipart/form-data; boundary="b"') == {
        "model": "whisper-1",
        "include[]": ["a", "b"],
        "file": {"filename": "a.wav", "content_type": "audio/wav", "bytes": 22},
    }


def test_names_without_quotes() -> None:
    body = BODY.replace(b'name="model"', b"name=model").replace(
        b'filename="a.wav"', b"filename=a.wav; filename*=x"
    )
    assert parse(body, "multipart/form-data; boundary=b") == parse(
        BODY, "multipart/form-data; boundary=b"
    )


def test_no_boundary_is_no_form() -> None:
    assert parse(BODY, "multipart/form-data") is None
    assert list(files(BODY, "multipart/form-data")) == []


def test_a_file_is_given_byte_by_byte() -> None:
    found = list(files(BODY, "multipart/form-data; boundary=b"))
    assert found == [b"\x00\xff\r\n--not-the-boundary"]


@given(st.binary(max_size=300))
def test_hostile_bytes_never_raise(data: bytes) -> None:
    parse(data, "multipart/form-data; boundary=b")
    parse(b"--b\r\n" + data, "multipart/form-data; boundary=b")
    list(files(b"--b\r\n" + data, "multipart/form-data; boundary=b"))


def test_a_form_of_a_million_parts_is_read_in_part() -> None:
    part = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nv\r\n'
    form = parse(part * 1_000_000, "multipart/form-data; boundary=b")
    assert form == {"a": ["v"] * 10_000}


def test_a_boundary_that_is_no_text() -> None:
    assert parse(BODY, "multipart/form-data; boundary=\udcff") == {}
