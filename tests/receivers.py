"""Real receivers of alerts on the loopback interface: an HTTP server, and an SMTP server with TLS and login."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

Security = Literal["none", "starttls", "tls"]


def free_port() -> int:
    """Return a port that nobody listens at now."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
    return port


@dataclass(frozen=True)
class Posted:
    """What was posted."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def is_signed(self, secret: bytes) -> bool:
        """Check the signature as the specification of Standard Webhooks has it, and the time stamp."""
        at = self.headers["webhook-timestamp"]
        content = b".".join([self.headers["webhook-id"].encode(), at.encode(), self.body])
        digest = hmac.new(secret, content, hashlib.sha256).digest()
        wanted = "v1," + base64.b64encode(digest).decode()
        is_recent = abs(time.time() - int(at)) < 300
        return is_recent and hmac.compare_digest(wanted, self.headers["webhook-signature"])


@dataclass
class Hook:
    """An HTTP receiver."""

    port: int
    posts: list[Posted] = field(default_factory=list)
    """Those that were taken."""
    refused: int = 0
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    """What the next posts are answered with; then all are taken."""
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/hook"


@contextlib.contextmanager
def hook(port: int = 0, context: ssl.SSLContext | None = None) -> Iterator[Hook]:
    """Run an HTTP receiver."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, more, said = found.answers.pop(0) if found.answers else (200, {}, b"ok")
            if status < 300:
                found.posts.append(Posted(self.path, headers, body))
            else:
                found.refused += 1
            self.send_response(status)
            for name, value in {**more, "content-length": str(len(said))}.items():
                self.send_header(name, value)
            self.send_header("connection", "close")
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that trusts nobody hangs up; that is no fault."""

    server = Server(("127.0.0.1", port), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    found = Hook(server.server_address[1], scheme="https" if context else "http")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Mailbox:
    """An SMTP receiver."""

    port: int
    user: str
    password: str
    mails: list[EmailMessage] = field(default_factory=list)
    to: list[list[str]] = field(default_factory=list)
    logins: int = 0
    refuses: dict[str, bytes] = field(default_factory=dict)
    """Recipients that are refused, and how."""


@contextlib.contextmanager
def mailbox(context: ssl.SSLContext | None, security: Security, port: int = 0) -> Iterator[Mailbox]:
    """Run an SMTP server that takes mail only over TLS (unless `security` is none) and after a login."""

    class Session(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            plug: socket.socket = self.request
            plug.settimeout(20)
            if security == "tls":
                assert context is not None
                plug = context.wrap_socket(plug, server_side=True)
            with contextlib.suppress(OSError, EOFError):
                _session(plug, context, security, found)
            plug.close()

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that trusts nobody hangs up; that is no fault."""

    server = Server(("127.0.0.1", port), Session)
    found = Mailbox(server.server_address[1], "reporter", "pass word ü")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _session(
    plug: socket.socket, context: ssl.SSLContext | None, security: Security, box: Mailbox
) -> None:
    reading = plug.makefile("rb")
    is_safe, is_known = security != "starttls", False
    recipients: list[str] = []

    def say(line: bytes) -> None:
        plug.sendall(line + b"\r\n")

    def read() -> bytes:
        line = reading.readline()
        if not line:
            raise EOFError
        return line.rstrip(b"\r\n")

    say(b"220 box ESMTP")
    while True:
        line = read()
        verb, _, rest = line.partition(b" ")
        match verb.upper():
            case b"EHLO":
                more = b"AUTH LOGIN PLAIN" if is_safe else b"STARTTLS"
                plug.sendall(b"250-box\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 " + more + b"\r\n")
            case b"STARTTLS":
                assert context is not None
                say(b"220 go on")
                reading.close()
                plug = context.wrap_socket(plug, server_side=True)
                reading = plug.makefile("rb")
                is_safe = True
            case b"AUTH" if is_safe:
                given = _credentials(rest, say, read)
                is_known = given == (box.user, box.password)
                box.logins += is_known
                say(b"235 welcome" if is_known else b"535 5.7.8 wrong user or password")
            case b"MAIL":
                recipients = []
                say(b"250 ok" if is_known else b"530 5.7.0 authentication required")
            case b"RCPT":
                address = rest.split(b"<")[1].split(b">")[0].decode()
                refusal = box.refuses.get(address)
                if refusal is None:
                    recipients.append(address)
                say(refusal or b"250 ok")
            case b"DATA":
                say(b"354 send it")
                lines = []
                while (part := read()) != b".":
                    lines.append(part[1:] if part.startswith(b"..") else part)
                mail = message_from_bytes(b"\r\n".join(lines), policy=policy.default)
                assert isinstance(mail, EmailMessage)
                box.mails.append(mail)
                box.to.append(recipients)
                say(b"250 2.0.0 queued")
            case b"RSET" | b"NOOP":
                say(b"250 ok")
            case b"QUIT":
                say(b"221 bye")
                reading.close()
                plug.close()
                return
            case _:
                say(b"502 not here")


def _credentials(rest: bytes, say: Any, read: Any) -> tuple[str, ...]:
    method, _, first = rest.partition(b" ")
    if method.upper() == b"PLAIN":
        return tuple(base64.b64decode(first).decode().split("\0")[1:])
    if not first:
        say(b"334 VXNlcm5hbWU6")
        first = read()
    user = base64.b64decode(first).decode()
    say(b"334 UGFzc3dvcmQ6")
    return user, base64.b64decode(read()).decode()
