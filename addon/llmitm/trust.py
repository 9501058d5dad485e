"""Our certificate authority: it can sign for LLM hosts and, by name constraints, for nothing else.

Its key stays the same when hosts are added, so that programs that run go on trusting it; only `rotate` makes a new one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from llmitm import files
from llmitm.bundle import OUR_NAME, bundle_for
from llmitm.errors import TrustError
from llmitm.home import Home

_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, OUR_NAME)])
_LIFETIME = timedelta(days=5 * 365)
_RENEWED_BEFORE_END = timedelta(days=180)
_BACKDATED = timedelta(days=2)
"""For clients whose clock is slow."""

CA_USAGE = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)
"""What the key of a certificate authority may be used for."""

_PRIVATE_TOP_LEVEL = {"corp", "home", "internal", "lan", "local", "localhost", "test"}
"""Top-level names that no public registry gives out (RFC 6761, RFC 6762 appendix G, ICANN 2024 on .internal)."""

_EVERY_ADDRESS = (ip_network("0.0.0.0/0"), ip_network("::/0"))

type _Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
type _Network = IPv4Network | IPv6Network


class Allowed(NamedTuple):
    """What the CA may sign for."""

    suffixes: tuple[str, ...]
    """Each stands for itself and for every name below it: the standard knows nothing narrower (RFC 5280 4.2.1.10)."""
    networks: tuple[_Network, ...]


class Authority(NamedTuple):
    """The CA as it lies on the disk."""

    key: _Key
    certificate: x509.Certificate


def ensure(home: Home, names: Iterable[str]) -> None:
    """Make the CA and the bundle, or bring them up to date with the LLM hosts.

    `names` are host names, addresses and patterns with `*`. Cheap when there is nothing to do; safe when several
    processes start at once. Raises `TrustError`.
    """
    allowed = allow(names)
    try:
        home.create()
        home.ca.mkdir(mode=0o700, exist_ok=True)
        with files.locked(home.ca / ".lock"):
            _bring_up_to_date(home, allowed)
        bundle_for(home, os.environ)
    except OSError as error:
        raise TrustError(f"the CA in {home.ca} cannot be written: {error}") from error


def rotate(home: Home, names: Iterable[str]) -> None:
    """Make a CA with a new key; programs that trust the old one must be started again."""
    _key_file(home).unlink(missing_ok=True)
    ensure(home, names)


def remove(home: Home) -> list[str]:
    """Delete the CA, its key and every bundle; return the paths of what is gone."""
    folders = (home.ca, home.bundle.parent / "bundles")
    found = [path for folder in folders if folder.is_dir() for path in sorted(folder.iterdir())]
    found += [home.ca_certificate, home.bundle, home.bundle.with_suffix(".p12")]
    gone = []
    for path in found:
        if path.exists():
            path.unlink()
            gone.append(str(path))
    for folder in folders:
        if folder.is_dir():
            folder.rmdir()
    return gone


def read(home: Home) -> Authority | None:
    """Return the CA, or None where there is none. Raises `TrustError` where it cannot be read."""
    path = _key_file(home)
    try:
        data = path.read_bytes()
        key = load_pem_private_key(data, None)
        certificate = x509.load_pem_x509_certificate(data)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise TrustError(
            f"{path}: no CA can be read from it ({error}); make a new one: llmitm ca rotate"
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) or (
        key.public_key() != certificate.public_key()
    ):
        raise TrustError(f"{path}: key and certificate do not fit; make a new CA: llmitm ca rotate")
    return Authority(key, certificate)


def allow(names: Iterable[str]) -> Allowed:
    """Return the narrowest constraints that let the CA sign for some hosts.

    `*.openai.azure.com` becomes `openai.azure.com`; a `*` further left, as in `bedrock-runtime.*.amazonaws.com`,
    opens all that follows it, `amazonaws.com`. Raises `TrustError` for a pattern that would open the whole internet.
    """
    suffixes, networks = set(), set()
    for name in names:
        try:
            networks.add(ip_network(name.strip("[]")))
        except ValueError:
            suffixes.add(_suffix(name))
    kept = (suffix for suffix in suffixes if not any(above in suffixes for above in _above(suffix)))
    return Allowed(tuple(sorted(kept)), tuple(sorted(networks, key=lambda net: (net.version, net))))


def covers(certificate: x509.Certificate, host: str) -> bool:
    """Tell whether a CA's constraints let it sign for a host."""
    permitted = _constraints_of(certificate)
    if permitted is None:
        return True
    suffixes = {
        item.value for item in permitted.permitted_subtrees or () if isinstance(item, x509.DNSName)
    }
    return host in suffixes or any(above in suffixes for above in _above(host))


def _suffix(name: str) -> str:
    """Return the labels after the last one that holds a `*`."""
    labels = name.lower().strip(".").split(".")
    first = max((place + 1 for place, label in enumerate(labels) if "*" in label), default=0)
    suffix = ".".join(labels[first:])
    if first and "." not in suffix and suffix not in _PRIVATE_TOP_LEVEL:
        raise TrustError(
            f"the provider host {name!r} would let our CA sign for every name under {suffix or 'the sun'!r}: "
            "after the last * there must be a domain, as in *.example.com"
        )
    return suffix


def _above(name: str) -> list[str]:
    labels = name.split(".")
    return [".".join(labels[start:]) for start in range(1, len(labels))]


def _bring_up_to_date(home: Home, allowed: Allowed) -> None:
    found = read(home)
    constraints = _constraints(allowed)
    if found is None or not _is_current(found.certificate, constraints):
        key = found.key if found else ec.generate_private_key(ec.SECP256R1())
        found = Authority(key, _issue(key, constraints))
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        files.replace(_key_file(home), secret + found.certificate.public_bytes(Encoding.PEM))
    public = found.certificate.public_bytes(Encoding.PEM)
    # mitmproxy's own name for it, which its page http://mitm.it gives out.
    for path in (home.ca / "mitmproxy-ca-cert.pem", home.ca_certificate):
        if not path.exists() or path.read_bytes() != public:
            files.replace(path, public, files.PUBLIC)


def _is_current(certificate: x509.Certificate, constraints: x509.NameConstraints) -> bool:
    lasts = certificate.not_valid_after_utc - datetime.now(UTC) > _RENEWED_BEFORE_END
    return lasts and _constraints_of(certificate) == constraints


def _constraints_of(certificate: x509.Certificate) -> x509.NameConstraints | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return None


def _constraints(allowed: Allowed) -> x509.NameConstraints:
    """Addresses are a type of their own: without a permitted one all must be excluded."""
    permitted: list[x509.GeneralName] = [x509.DNSName(suffix) for suffix in allowed.suffixes]
    permitted += [x509.IPAddress(network) for network in allowed.networks]
    versions = {network.version for network in allowed.networks}
    excluded = [x509.IPAddress(net) for net in _EVERY_ADDRESS if net.version not in versions]
    return x509.NameConstraints(permitted, excluded or None)


def _issue(key: _Key, constraints: x509.NameConstraints) -> x509.Certificate:
    now = datetime.now(UTC)
    server = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(_NAME)
        .issuer_name(_NAME)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(CA_USAGE, critical=True)
        .add_extension(server, critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(constraints, critical=True)
        .sign(key, hashes.SHA256())
    )


def _key_file(home: Home) -> Path:
    return home.ca / "mitmproxy-ca.pem"
