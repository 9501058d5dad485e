"""A client keeps every root it had, and gets ours, once."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
from pathlib import Path

import certifi
import pytest

from llmitm import trust
from llmitm.bundle import USER_VARIABLES, bundle_for, certificates, java_store
from llmitm.demo.certificates import issue
from llmitm.home import Home


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in USER_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def authority(home: Home) -> Home:
    trust.ensure(home, ["api.openai.com"])
    return home


def corporate(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    ca_file, _ = issue(folder, ["intranet.example"])
    return ca_file


def roots(path: Path) -> list[bytes]:
    return list(certificates(path.read_bytes()))


def test_holds_public_roots_and_ours_once(authority: Home) -> None:
    found = roots(authority.bundle)
    assert set(roots(Path(certifi.where()))) < set(found)
    assert found[-1:] == roots(authority.ca_certificate)
    assert len(found) == len(set(found))
    ssl.create_default_context(cafile=str(authority.bundle))


@pytest.mark.parametrize("name", [name for name in USER_VARIABLES if name != "SSL_CERT_DIR"])
def test_what_the_users_variable_names_is_merged(
    authority: Home, tmp_path: Path, name: str
) -> None:
    theirs = corporate(tmp_path / "corporate")
    found = roots(bundle_for(authority, {name: str(theirs)}))
    assert set(roots(theirs)) < set(found)
    assert len(found) == len(set(found))


def test_a_folder_of_the_users_is_read_whole(authority: Home, tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    each = [corporate(folder) for folder in folders]
    found = roots(bundle_for(authority, {"SSL_CERT_DIR": ":".join(map(str, folders))}))
    assert {root for path in each for root in roots(path)} < set(found)


def test_one_environment_takes_nothing_from_another(authority: Home, tmp_path: Path) -> None:
    theirs = corporate(tmp_path / "corporate")
    with_theirs = bundle_for(authority, {"SSL_CERT_FILE": str(theirs)})
    plain = bundle_for(authority, {})
    assert with_theirs != plain
    assert set(roots(theirs)) < set(roots(with_theirs))
    assert not set(roots(theirs)) & set(roots(plain))
    assert bundle_for(authority, {"SSL_CERT_FILE": str(theirs)}) == with_theirs


def test_follows_its_sources(authority: Home, tmp_path: Path) -> None:
    theirs = corporate(tmp_path / "corporate")
    environ = {"REQUESTS_CA_BUNDLE": str(theirs)}
    before = bundle_for(authority, environ)
    written = before.stat().st_mtime_ns
    assert bundle_for(authority, environ).stat().st_mtime_ns == written
    shutil.copy(corporate(tmp_path / "renewed"), theirs)
    after = bundle_for(authority, environ)
    assert set(roots(theirs)) < set(roots(after))


@pytest.mark.parametrize("value", ["/nowhere/at/all.pem", ""])
def test_a_stale_variable_does_no_harm(authority: Home, value: str) -> None:
    assert bundle_for(authority, {"SSL_CERT_FILE": value}) == authority.bundle


def test_our_own_files_are_not_taken_for_the_users(authority: Home) -> None:
    for path in (authority.bundle, authority.ca_certificate):
        assert bundle_for(authority, {"SSL_CERT_FILE": str(path)}) == authority.bundle


def test_an_older_ca_of_ours_in_a_users_file_is_left_out(authority: Home, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs.pem"
    theirs.write_bytes(authority.ca_certificate.read_bytes())
    trust.rotate(authority, ["api.openai.com"])
    found = roots(bundle_for(authority, {"CURL_CA_BUNDLE": str(theirs)}))
    assert set(roots(theirs)).isdisjoint(found)
    assert found[-1:] == roots(authority.ca_certificate)


def test_what_is_no_certificate_is_passed_over() -> None:
    pem = b"text\n-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\nmore"
    assert list(certificates(pem)) == []


def test_java_opens_the_store(authority: Home) -> None:
    keytool = shutil.which("keytool")
    if keytool is None:
        pytest.skip("no keytool on PATH")
    store = java_store(authority.bundle)
    command = [
        keytool,
        "-list",
        "-keystore",
        str(store),
        "-storepass",
        "changeit",
        "-storetype",
        "PKCS12",
    ]
    environ = {key: value for key, value in os.environ.items() if key != "JAVA_TOOL_OPTIONS"}
    listed = subprocess.run(command, capture_output=True, text=True, check=True, env=environ).stdout
    assert listed.count("trustedCertEntry") == len(roots(authority.bundle))


def test_the_store_follows_the_bundle(authority: Home, tmp_path: Path) -> None:
    before = java_store(authority.bundle).read_bytes()
    assert java_store(authority.bundle).read_bytes() == before
    theirs = corporate(tmp_path / "corporate")
    bundle = bundle_for(authority, {"SSL_CERT_FILE": str(theirs)})
    assert java_store(bundle).read_bytes() != before
