from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmitm import tags

LABELS = st.dictionaries(st.text(min_size=1), st.text())
RUN_IDS = st.text(alphabet="0123456789ABCDEFGHJKMNPQRSTVWXYZ", min_size=26, max_size=26)


@given(RUN_IDS, LABELS)
def test_comes_back_whether_the_client_decodes_the_url_or_not(
    run_id: str, labels: dict[str, str]
) -> None:
    url = urlsplit(f"http://{tags.encode(run_id, labels)}@127.0.0.1:8080")
    assert (url.hostname, url.port) == ("127.0.0.1", 8080)
    sent = url.netloc.rpartition("@")[0]
    assert tags.decode(sent) == (run_id, labels)
    assert tags.decode(unquote(sent)) == (run_id, labels)


@given(LABELS)
def test_fits_one_segment_of_a_path(labels: dict[str, str]) -> None:
    segment = tags.encode_tags(labels)
    assert not set("/?# ") & set(segment)
    assert tags.decode_tags(segment) == labels


@given(st.text())
def test_reads_anything_without_a_fault(text: str) -> None:
    tags.decode(text)
    tags.decode_tags(text)


@pytest.mark.parametrize(
    "userinfo", ["alice:secret", "alice:a=b", "run-:a=b", "run-a b:c=d", "", ":"]
)
def test_takes_nothing_from_a_user_part_that_is_not_ours(userinfo: str) -> None:
    assert tags.decode(userinfo) == (None, {})


def test_can_be_written_by_hand() -> None:
    assert tags.decode("run-7:project=nightly,note=100%,stray") == (
        "7",
        {"project": "nightly", "note": "100%"},
    )
