"""The CA for real: who accepts it for what, and that it survives hosts being added, faults and company."""

from __future__ import annotations

import multiprocessing
import socket
import ssl
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.certs import CertStore

from llmitm import trust
from llmitm.errors import TrustError
from llmitm.home import Home

LABEL = st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=8)
NAME = st.lists(LABEL, min_size=2, max_size=4).map(".".join)


def certificate(home: Home) -> x509.Certificate:
    authority = trust.read(home)
    assert authority is not None
    return authority.certificate


def constraints(home: Home) -> x509.NameConstraints:
    return certificate(home).extensions.get_extension_for_class(x509.NameConstraints).value


def handshake(home: Home, host: str, roots: Path) -> None:
    """Shake hands with a server whose certificate mitmproxy makes, as a Python client does."""
    store = CertStore.from_store(home.ca, "mitmproxy", 2048)
    entry = store.get_cert(host, [x509.DNSName(host)])
    chain = home.folder / f"{host}.pem"
    chain.write_bytes(entry.cert.to_pem() + store.default_ca.to_pem())
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain, home.ca / "mitmproxy-ca.pem")
    client = ssl.create_default_context(cafile=str(roots))
    one, other = socket.socketpair()

    def serve() -> None:
        try:
            server.wrap_socket(one, server_side=True).close()
        except OSError:
            one.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        client.wrap_socket(other, server_hostname=host).close()
    finally:
        other.close()
        thread.join(10)


def test_a_client_accepts_it_for_llm_hosts_and_for_nothing_else(home: Home) -> None:
    trust.ensure(home, ["api.openai.com", "*.openai.azure.com"])
    for roots in (home.ca_certificate, home.bundle):
        handshake(home, "api.openai.com", roots)
        handshake(home, "acme.openai.azure.com", roots)
        for foreign in ("bank.example", "openai.com", "notapi.openai.com"):
            with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
                handshake(home, foreign, roots)


def test_nothing_is_left_for_mitmproxy_to_make(home: Home) -> None:
    trust.ensure(home, ["api.openai.com"])
    ours = certificate(home)
    assert CertStore.from_store(home.ca, "mitmproxy", 2048).default_ca.to_cryptography() == ours
    assert home.ca_certificate.read_bytes() == ours.public_bytes(Encoding.PEM)


def test_the_key_is_for_its_owner_alone(home: Home) -> None:
    trust.ensure(home, ["api.openai.com"])
    assert (home.ca / "mitmproxy-ca.pem").stat().st_mode & 0o777 == 0o600
    assert home.ca.stat().st_mode & 0o777 == 0o700


def test_a_second_time_changes_nothing(home: Home) -> None:
    def state() -> dict[Path, tuple[int, bytes]]:
        files = [path for path in home.folder.rglob("*") if path.is_file()]
        return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}

    trust.ensure(home, ["api.openai.com", "10.0.0.5"])
    before = state()
    trust.ensure(home, ["10.0.0.5", "api.openai.com"])
    assert state() == before


def test_an_added_host_keeps_the_key_so_that_running_programs_go_on(home: Home) -> None:
    trust.ensure(home, ["api.openai.com"])
    old = home.folder / "old.pem"
    old.write_bytes(home.ca_certificate.read_bytes())
    before = certificate(home)
    trust.ensure(home, ["api.openai.com", "llm.example.com"])
    after = certificate(home)
    assert after.public_key() == before.public_key()
    assert after.serial_number != before.serial_number
    handshake(home, "api.openai.com", old)
    handshake(home, "llm.example.com", home.bundle)
    assert before.public_bytes(Encoding.PEM) not in home.bundle.read_bytes()


def test_it_is_issued_anew_before_it_ends(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust, "_LIFETIME", timedelta(days=100))
    trust.ensure(home, ["api.openai.com"])
    before = certificate(home)
    monkeypatch.undo()
    monkeypatch.setenv("LLMITM_HOME", str(home.folder))
    trust.ensure(home, ["api.openai.com"])
    assert certificate(home).public_key() == before.public_key()
    assert certificate(home).not_valid_after_utc > datetime.now(UTC) + timedelta(days=1000)


def test_rotate_makes_a_new_key_and_remove_leaves_nothing(home: Home) -> None:
    trust.ensure(home, ["api.openai.com"])
    before = certificate(home)
    trust.rotate(home, ["api.openai.com"])
    assert certificate(home).public_key() != before.public_key()
    gone = trust.remove(home)
    assert str(home.ca / "mitmproxy-ca.pem") in gone
    assert trust.read(home) is None
    assert not list(home.folder.iterdir())
    assert trust.remove(home) == []


def test_processes_that_start_at_once_agree(home: Home) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(4)
    starters = [context.Process(target=_ensure, args=(barrier, home.folder)) for _ in range(4)]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join(60)
        assert starter.exitcode == 0
    ours = certificate(home)
    assert home.ca_certificate.read_bytes() == ours.public_bytes(Encoding.PEM)
    assert home.bundle.read_bytes().endswith(ours.public_bytes(Encoding.PEM))
    assert not [path for path in home.ca.iterdir() if path.name.startswith(".mitm")]


def _ensure(barrier: threading.Barrier, folder: Path) -> None:
    barrier.wait(30)
    trust.ensure(Home(folder), ["api.openai.com"])


def test_addresses_are_excluded_unless_one_is_an_llm_host(home: Home) -> None:
    trust.ensure(home, ["api.openai.com"])
    every = [x509.IPAddress(ip_network(net)) for net in ("0.0.0.0/0", "::/0")]
    assert constraints(home).excluded_subtrees == every
    trust.ensure(home, ["api.openai.com", "10.0.0.5", "[::1]"])
    assert constraints(home).excluded_subtrees is None
    permitted = constraints(home).permitted_subtrees
    assert permitted is not None
    assert x509.IPAddress(ip_network("10.0.0.5/32")) in permitted
    assert x509.IPAddress(ip_network("::1/128")) in permitted


@pytest.mark.parametrize(
    ("names", "suffixes"),
    [
        (["api.openai.com"], ("api.openai.com",)),
        (["API.OpenAI.com."], ("api.openai.com",)),
        (["*.openai.azure.com"], ("openai.azure.com",)),
        (["*-aiplatform.googleapis.com"], ("googleapis.com",)),
        (["bedrock-runtime.*.amazonaws.com"], ("amazonaws.com",)),
        (["api.x.ai", "x.ai", "eu.api.x.ai"], ("x.ai",)),
        (["*.internal", "ollama"], ("internal", "ollama")),
    ],
)
def test_constraints_are_as_narrow_as_the_standard_permits(
    names: list[str], suffixes: tuple[str, ...]
) -> None:
    assert trust.allow(names).suffixes == suffixes


@pytest.mark.parametrize("name", ["*", "*.com", "llm.*", "api.*.com"])
def test_a_pattern_for_half_the_internet_is_refused(name: str) -> None:
    with pytest.raises(TrustError, match="after the last"):
        trust.allow(["api.openai.com", name])


@given(st.lists(NAME, max_size=10))
def test_every_name_is_covered_and_no_suffix_is_idle(names: list[str]) -> None:
    suffixes = trust.allow(names).suffixes
    for name in names:
        assert any(name == suffix or name.endswith(f".{suffix}") for suffix in suffixes)
    assert set(suffixes) <= {name.strip(".") for name in names}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_text("nothing"),
        lambda path: path.write_bytes(path.read_bytes()[:200]),
        lambda path: path.write_bytes(path.read_bytes().split(b"-----BEGIN CERT")[0]),
    ],
    ids=["rubbish", "half a key", "no certificate"],
)
def test_a_broken_ca_is_named_with_the_way_out(home: Home, spoil: Callable[[Path], object]) -> None:
    trust.ensure(home, ["api.openai.com"])
    path = home.ca / "mitmproxy-ca.pem"
    spoil(path)
    with pytest.raises(TrustError, match="llmitm ca rotate") as error:
        trust.ensure(home, ["api.openai.com"])
    assert str(path) in str(error.value)
    trust.rotate(home, ["api.openai.com"])
    assert trust.read(home) is not None


def test_a_key_and_certificate_of_two_minds_are_refused(home: Home) -> None:
    trust.ensure(home, ["api.openai.com"])
    path = home.ca / "mitmproxy-ca.pem"
    key = path.read_bytes().split(b"-----BEGIN CERTIFICATE")[0]
    trust.rotate(home, ["api.openai.com"])
    path.write_bytes(key + home.ca_certificate.read_bytes())
    with pytest.raises(TrustError, match="do not fit"):
        trust.ensure(home, ["api.openai.com"])


def test_a_ca_that_mitmproxy_made_there_is_constrained(home: Home) -> None:
    CertStore.create_store(home.ca, "mitmproxy", 2048)
    trust.ensure(home, ["api.openai.com"])
    handshake(home, "api.openai.com", home.bundle)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(home, "bank.example", home.bundle)


def test_covers(home: Home) -> None:
    trust.ensure(home, ["api.openai.com"])
    assert trust.covers(certificate(home), "api.openai.com")
    assert not trust.covers(certificate(home), "api.groq.com")


def test_the_signature_is_its_own(home: Home) -> None:
    trust.ensure(home, ["api.openai.com"])
    ours = certificate(home)
    ours.verify_directly_issued_by(ours)
    assert isinstance(ours.signature_hash_algorithm, hashes.SHA256)
