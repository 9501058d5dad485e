"""The roots that a client is given instead of its own: public ones, this system's, the user's and ours.

Most hosts are tunnelled untouched, so a bundle must hold whatever the client trusted before: variables that the user
had set are merged, never overruled. A bundle in use only ever grows; a run whose variables name less has its own.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import ssl
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePath

import certifi

from llmitm import files
from llmitm.home import Home

USER_VARIABLES = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "AWS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "GIT_SSL_CAINFO",
    "PIP_CERT",
    "DENO_CERT",
    "CODEX_CA_CERTIFICATE",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "SSL_CERT_DIR",
)
"""Where a user's own roots are looked for. A folder gives every file in it."""

_SYSTEM_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch, Alpine
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # macOS, BSD
)
_SYSTEM_FOLDERS = ("/etc/ssl/certs", "/etc/pki/tls/certs")
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
_STAMP = re.compile(r"^# llmitm (\S+)$", re.MULTILINE)
_SOURCE = re.compile(r"^# user's: (.+)$", re.MULTILINE)

OUR_NAME = "llmitm (LLM hosts only)"
"""The common name of our CA: whatever bears it in a user's file is an older one of ours."""


JAVA_PASSWORD = "changeit"
"""Java's own default: the store holds nothing secret, but Java opens none without a password."""


def bundle_for(home: Home, environ: Mapping[str, str]) -> Path:
    """Return the bundle for programs with this environment; write it where it is missing or out of date.

    `environ` is the user's, see `llmitm.environment.original`. Our CA must be there. Raises `OSError`.
    """
    users = _user_paths(home, environ)
    path = home.bundle
    if not {source for source in _recorded(path) if source.exists()} <= set(users):
        folder = home.folder / "bundles"
        folder.mkdir(mode=0o700, exist_ok=True)
        path = folder / f"{_digest(map(str, users))}.pem"
    _write(path, users, home.ca_certificate)
    return path


def upstream_roots(home: Home, environ: Mapping[str, str]) -> Path:
    """Return what the proxy itself is to trust: the same without our own CA. Raises `OSError`."""
    path = home.ca / "upstream.pem"
    _write(path, _user_paths(home, environ), None)
    return path


def _write(path: Path, users: Sequence[Path], ours: Path | None) -> None:
    sources = [*_public_files(), *_files_of(users), *([ours] if ours else [])]
    stamp = _digest(
        f"{source} {(about := source.stat()).st_size} {about.st_mtime_ns}" for source in sources
    )
    if _stamp(path) != stamp:
        text = f"# llmitm {stamp}\n" + "".join(f"# user's: {source}\n" for source in users)
        files.replace(path, text.encode() + _merged(sources, ours), files.PUBLIC)


def java_store(bundle: Path) -> Path:
    """Return a bundle's roots as PKCS#12, which Java reads; make it where it is missing or older. Raises `OSError`."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
    from cryptography.utils import CryptographyDeprecationWarning

    path = java_store_path(bundle)
    if path.exists() and path.stat().st_mtime_ns >= bundle.stat().st_mtime_ns:
        return path
    roots = []
    with warnings.catch_warnings(action="ignore", category=CryptographyDeprecationWarning):
        for number, der in enumerate(certificates(bundle.read_bytes())):
            try:
                certificate = x509.load_der_x509_certificate(der)
            except ValueError:
                continue  # old public roots break rules that this parser keeps
            roots.append(pkcs12.PKCS12Certificate(certificate, f"root-{number}".encode()))
    locked = BestAvailableEncryption(JAVA_PASSWORD.encode())
    files.replace(path, pkcs12.serialize_java_truststore(roots, locked), files.PUBLIC)
    return path


def java_store_path[P: PurePath](bundle: P) -> P:
    """Return where a bundle's roots lie for Java."""
    return bundle.with_suffix(".p12")


def certificates(pem: bytes) -> Iterator[bytes]:
    """Return the certificates of a PEM file as DER; what is none is passed over."""
    for match in _CERTIFICATE.finditer(pem):
        try:
            yield base64.b64decode(b"".join(match[1].split()), validate=True)
        except binascii.Error:
            continue


def _merged(sources: Iterable[Path], ours: Path | None) -> bytes:
    merged = dict.fromkeys(
        der
        for source in sources
        for der in certificates(source.read_bytes())
        if source == ours or OUR_NAME.encode() not in der
    )
    return b"".join(ssl.DER_cert_to_PEM_cert(der).encode() for der in merged)


def _public_files() -> list[Path]:
    system = [ssl.get_default_verify_paths().openssl_cafile, *_SYSTEM_FILES]
    found = next((Path(path) for path in system if path and Path(path).is_file()), None)
    return [Path(certifi.where()), *([found] if found else [])]


def _user_paths(home: Home, environ: Mapping[str, str]) -> list[Path]:
    """Return the files and folders that a user's variables name, without our own and the system's."""
    found: dict[Path, None] = {}
    for name in USER_VARIABLES:
        value = environ.get(name)
        for part in (value or "").split(":") if name == "SSL_CERT_DIR" else [value]:
            if not part or not os.access(part, os.R_OK):
                continue
            path = Path(part).resolve()
            if not path.is_relative_to(home.folder.resolve()):
                found[path] = None
    known = {path.resolve() for path in (*_public_files(), *map(Path, _SYSTEM_FOLDERS))}
    return sorted(path for path in found if path not in known)


def _files_of(paths: Iterable[Path]) -> list[Path]:
    files_ = []
    for path in paths:
        files_ += (
            sorted(each for each in path.iterdir() if each.is_file()) if path.is_dir() else [path]
        )
    return files_


def _recorded(bundle: Path) -> list[Path]:
    return [Path(source) for source in _SOURCE.findall(_head(bundle))]


def _stamp(bundle: Path) -> str | None:
    match = _STAMP.search(_head(bundle))
    return match[1] if match else None


def _head(bundle: Path) -> str:
    """Return what stands before the first certificate."""
    try:
        with bundle.open(encoding="utf-8", errors="replace") as lines:
            head = []
            for line in lines:
                if not line.startswith("#"):
                    break
                head.append(line)
            return "".join(head)
    except OSError:
        return ""


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()[:16]
