"""The variables that make programs use the proxy and trust its CA: one table, no I/O.

What the user had is kept: lists are appended to, a file of roots of their own is merged into the bundle beforehand, and
what is replaced is noted in one variable, so that `original` can undo it all.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path, PurePath
from typing import NamedTuple
from urllib.parse import urlsplit

from llmitm.bundle import JAVA_PASSWORD, java_store_path
from llmitm.tags import encode_tags

REPLACED = "LLMITM_REPLACED"
"""JSON object: for each variable of ours a checksum of what it was set to, and what the user had, null for nothing."""

PRELOAD = Path(__file__).parent / "preload"
"""Files that are loaded into programs that know nothing of proxies themselves."""


class Value(Enum):
    """What a variable is set to."""

    PROXY = "the proxy's URL"
    NO_PROXY = "hosts that are reached directly, added to the user's"
    ROOTS = "the bundle: the variable replaces a client's roots"
    CA = "our CA alone: the variable adds to a client's roots. The bundle where the user had set it"
    ON = "1"
    NODE = "options for Node, added to the user's"
    JAVA = "system properties for Java, added to the user's"


class Row(NamedTuple):
    """Variables that have one purpose."""

    names: tuple[str, ...]
    value: Value
    who: str
    why: str


TABLE = (
    Row(
        ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"),
        Value.PROXY,
        "nearly all",
        "curl reads http_proxy in lower case only",
    ),
    Row(("NO_PROXY", "no_proxy"), Value.NO_PROXY, "nearly all", "this machine's own servers"),
    Row(("WSS_PROXY", "wss_proxy", "WS_PROXY", "ws_proxy"), Value.PROXY, "aiohttp", "WebSockets"),
    Row(("grpc_proxy",), Value.PROXY, "gRPC", "goes before https_proxy"),
    Row(
        ("npm_config_proxy", "npm_config_https_proxy"),
        Value.PROXY,
        "npm",
        "goes before a proxy in .npmrc",
    ),
    Row(
        ("GLOBAL_AGENT_HTTP_PROXY", "GLOBAL_AGENT_HTTPS_PROXY"),
        Value.PROXY,
        "Node, global-agent",
        "programs that bring this package",
    ),
    Row(
        ("NODE_USE_ENV_PROXY",),
        Value.ON,
        "Node from 22.21 and 24.5",
        "without it HTTPS_PROXY is ignored",
    ),
    Row(
        ("ELECTRON_GET_USE_PROXY",),
        Value.ON,
        "Electron's downloader",
        "without it HTTPS_PROXY is ignored",
    ),
    Row(
        ("NODE_OPTIONS",),
        Value.NODE,
        "Node",
        "old ones know no proxies, new ones not in agents that a program makes itself",
    ),
    Row(("JAVA_TOOL_OPTIONS",), Value.JAVA, "Java", "reads no proxy variables"),
    Row(
        ("SSL_CERT_FILE",),
        Value.ROOTS,
        "OpenSSL, Python, Go, Rust, Ruby, PHP, .NET, Bun, Codex",
        "",
    ),
    Row(("REQUESTS_CA_BUNDLE",), Value.ROOTS, "Python's requests", "does not read SSL_CERT_FILE"),
    Row(("CURL_CA_BUNDLE",), Value.ROOTS, "curl, PHP", ""),
    Row(("AWS_CA_BUNDLE",), Value.ROOTS, "AWS SDKs and command line", ""),
    Row(("GIT_SSL_CAINFO",), Value.ROOTS, "git", "reads no other; agents run git"),
    Row(("PIP_CERT",), Value.ROOTS, "pip", ""),
    Row(("npm_config_cafile",), Value.ROOTS, "npm", ""),
    Row(("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",), Value.ROOTS, "gRPC", "reads no other"),
    Row(("CODEX_CA_CERTIFICATE",), Value.ROOTS, "Codex", "goes before SSL_CERT_FILE"),
    Row(("CARGO_HTTP_CAINFO",), Value.ROOTS, "cargo", ""),
    Row(("BUNDLE_SSL_CA_CERT",), Value.ROOTS, "Ruby's bundler", ""),
    Row(("PERL_LWP_SSL_CA_FILE",), Value.ROOTS, "Perl's LWP", ""),
    Row(("HTTPLIB2_CA_CERTS",), Value.ROOTS, "Python's httplib2", "older Google libraries"),
    Row(("CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",), Value.ROOTS, "gcloud", ""),
    Row(("NIX_SSL_CERT_FILE",), Value.ROOTS, "programs built by Nix", "goes before SSL_CERT_FILE"),
    Row(("NODE_EXTRA_CA_CERTS",), Value.CA, "Node, Bun, Deno, Claude Code, Gemini CLI", ""),
    Row(("DENO_CERT",), Value.CA, "Deno before 2.8", ""),
)

_LOOPBACK = ("localhost", "127.0.0.1", "::1")

_BASE_URLS = {
    "OPENAI_BASE_URL": "openai/v1",
    "OPENAI_API_BASE": "openai/v1",
    "ANTHROPIC_BASE_URL": "anthropic",
    "GOOGLE_GEMINI_BASE_URL": "gemini",
}
"""Variable: path at the gateway. The SDKs' own sources name them; OPENAI_API_BASE is what older ones read."""


def names() -> list[str]:
    """Return every variable of the table."""
    return [name for row in TABLE for name in row.names]


def variables(
    proxy_url: str,
    ca: PurePath,
    bundle: PurePath,
    base: Mapping[str, str],
    *,
    aiohttp: bool = False,
    preload: PurePath = PRELOAD,
) -> dict[str, str]:
    """Return what is to be set for a program whose environment is `base` otherwise.

    `bundle` is `llmitm.bundle.bundle_for(home, base)`. `aiohttp` loads the shim for Python's aiohttp, which ignores
    proxy variables, into every Python program. `preload` is where the program finds the files of that folder.
    """
    user = original(base)
    client = _Client(proxy_url, ca, bundle, preload, user)
    made = {name: _value(row.value, name, client) for row in TABLE for name in row.names}
    if aiohttp:
        made["PYTHONPATH"] = _joined(":", (str(preload / "aiohttp"), user.get("PYTHONPATH")))
    return _noted(made, user)


def base_urls(
    proxy_url: str, tags: Mapping[str, str], base: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """Return what makes SDKs call the gateway instead of a provider, and which variables of the user's stay.

    A base URL of the user's own may mean another provider, whose key must not go elsewhere.
    """
    user = original(base)
    start = f"{proxy_url}/t/{encode_tags(tags)}" if tags else proxy_url
    made = {name: f"{start}/{path}" for name, path in _BASE_URLS.items() if not user.get(name)}
    return _noted(made, user), [name for name in _BASE_URLS if user.get(name)]


def original(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment as it was before ours was laid over it."""
    user = dict(environ)
    try:
        replaced = dict(json.loads(user.pop(REPLACED, "{}")))
        for name, (checksum, value) in replaced.items():
            if _checksum(user.get(name, "")) != checksum:
                continue  # the user has set it anew
            if value is None:
                user.pop(name, None)
            else:
                user[name] = str(value)
    except (ValueError, TypeError):
        return dict(environ)
    return user


def _noted(made: dict[str, str], user: Mapping[str, str]) -> dict[str, str]:
    replaced = {name: (_checksum(value), user.get(name)) for name, value in made.items()}
    return made | {REPLACED: json.dumps(replaced, separators=(",", ":"))}


def _checksum(value: str) -> int:
    return zlib.crc32(value.encode("utf-8", "surrogateescape"))


class _Client(NamedTuple):
    proxy_url: str
    ca: PurePath
    bundle: PurePath
    preload: PurePath
    user: Mapping[str, str]


def _value(value: Value, name: str, client: _Client) -> str:
    had = client.user.get(name)
    match value:
        case Value.PROXY:
            return client.proxy_url
        case Value.NO_PROXY:
            return ",".join(_direct(client.user))
        case Value.ROOTS:
            return str(client.bundle)
        case Value.CA:
            return str(client.bundle if had else client.ca)
        case Value.ON:
            return "1"
        case Value.NODE:
            return _joined(
                " ", (had, f"--require={_quoted(client.preload / 'node' / 'preload.cjs')}")
            )
        case Value.JAVA:
            return _joined(" ", (had, *_java(client)))


def _direct(user: Mapping[str, str]) -> list[str]:
    had = ",".join(user.get(name, "") for name in ("NO_PROXY", "no_proxy")).split(",")
    return list(dict.fromkeys([host.strip() for host in had if host.strip()] + list(_LOOPBACK)))


def _java(client: _Client) -> Iterable[str]:
    """https://docs.oracle.com/en/java/javase/17/docs/api/java.base/java/net/doc-files/net-properties.html"""
    address = urlsplit(client.proxy_url)
    hosts = (f"*{host}" if host.startswith(".") else host for host in _direct(client.user))
    direct = "|".join(f"[{host}]" if ":" in host else host for host in hosts)
    for scheme in ("http", "https"):
        yield f"-D{scheme}.proxyHost={address.hostname}"
        yield f"-D{scheme}.proxyPort={address.port}"
    yield f"-Dhttp.nonProxyHosts={direct}"
    # Empty: by default Java sends no Basic credentials to a proxy for a tunnel.
    yield "-Djdk.http.auth.tunneling.disabledSchemes="
    yield f"-Djavax.net.ssl.trustStore={_quoted(java_store_path(client.bundle))}"
    yield "-Djavax.net.ssl.trustStoreType=PKCS12"
    yield f"-Djavax.net.ssl.trustStorePassword={JAVA_PASSWORD}"


def _quoted(path: PurePath) -> str:
    return f'"{path}"' if " " in str(path) else str(path)


def _joined(separator: str, parts: Iterable[str | None]) -> str:
    return separator.join(part for part in parts if part)
