from __future__ import annotations

import pytest

from llmitm.policy.control import control_headers, signed_headers, without_helicone_key


def test_control_headers_are_found_in_any_case() -> None:
    names = ["Host", "helicone-auth", "Helicone-Property-App", "X-llmitm-Tag", "X-Helicone"]
    assert control_headers(names) == ["helicone-auth", "Helicone-Property-App", "X-llmitm-Tag"]


@pytest.mark.parametrize(
    ("authorization", "kept"),
    [
        ("Bearer sk-1", "Bearer sk-1"),
        ("Bearer sk-1, Bearer sk-helicone-2", "Bearer sk-1"),
        ("Bearer sk-helicone-2,sk-1", "Bearer sk-1"),
        ("Bearer sk-helicone-2", None),
        ("sk-helicone-2", None),
    ],
)
def test_a_helicone_key_is_taken_out(authorization: str, kept: str | None) -> None:
    assert without_helicone_key(authorization) == kept


@pytest.mark.parametrize(
    ("authorization", "signed"),
    [
        (
            "AWS4-HMAC-SHA256 Credential=A/20261126/us-east-1/bedrock/aws4_request, "
            "SignedHeaders=host;x-amz-date;helicone-user-id, Signature=0f",
            {"host", "x-amz-date", "helicone-user-id"},
        ),
        ("AWS4-ECDSA-P256-SHA256 Credential=A,SignedHeaders=host,Signature=0f", {"host"}),
        ("AWS4-HMAC-SHA256 Credential=A", set()),
        ("Bearer SignedHeaders=host", set()),
        ("", set()),
    ],
)
def test_what_aws_signature_covers(authorization: str, signed: set[str]) -> None:
    assert signed_headers(authorization) == signed
