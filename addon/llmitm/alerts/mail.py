"""Send a message by e-mail."""

from __future__ import annotations

import base64
import smtplib
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.message import EmailMessage
from email.utils import format_datetime

from llmitm.alerts.entries import Security
from llmitm.alerts.messages import Message
from llmitm.alerts.sending import SECONDS, NotSentError, trust

_WELCOME = 235
_PORTS: dict[Security, int] = {"starttls": 587, "tls": 465, "none": 25}


@dataclass(frozen=True, slots=True)
class Server:
    """Where mail is handed in."""

    host: str
    port: int | None
    security: Security
    user: str | None
    password: str | None
    ca_file: str | None


def send(message: Message, server: Server, sender: str, to: Sequence[str]) -> str:
    """Hand a message in and return what the server said. Raises `NotSentError`."""
    try:
        mail = letter(message, sender, to)
        with _connected(server) as connection:
            if server.user is not None and server.password is not None:
                _log_in(connection, server.user, server.password)
            refused = connection.send_message(mail, sender, list(to))
    except smtplib.SMTPRecipientsRefused as error:
        raise NotSentError(f"refused for {_refusals(error.recipients)}") from error
    except smtplib.SMTPResponseException as error:
        words = error.smtp_error
        text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
        raise NotSentError(f"{error.smtp_code} {text}") from error
    except ssl.SSLCertVerificationError as error:
        raise NotSentError(f"its certificate is not trusted: {error.verify_message}") from error
    except TimeoutError as error:
        raise NotSentError(f"no answer within {SECONDS:.0f} s") from error
    except (OSError, smtplib.SMTPException, HeaderParseError, ValueError) as error:
        raise NotSentError(str(error) or type(error).__name__) from error
    return f"accepted, but refused for {_refusals(refused)}" if refused else "accepted"


def letter(message: Message, sender: str, to: Sequence[str]) -> EmailMessage:
    """Return the mail. Its id is the message's, so that a mail that is sent twice can be told."""
    mail = EmailMessage()
    mail["Subject"] = f"{message.mark} {message.title}"
    mail["From"] = sender
    mail["To"] = ", ".join(to)
    mail["Date"] = format_datetime(datetime.fromtimestamp(message.at, UTC))
    mail["Message-ID"] = f"<{message.id}@{_domain(sender)}>"
    mail["Auto-Submitted"] = "auto-generated"  # nobody's holiday note is to answer
    mail.set_content(message.text)
    return mail


def _connected(server: Server) -> smtplib.SMTP:
    port = server.port or _PORTS[server.security]
    # Its own way to find this machine's name may ask the network for it.
    name = socket.gethostname()
    if server.security == "tls":
        return smtplib.SMTP_SSL(
            server.host, port, name, timeout=SECONDS, context=trust(server.ca_file)
        )
    connection = smtplib.SMTP(server.host, port, name, timeout=SECONDS)
    if server.security == "starttls":
        try:
            connection.starttls(context=trust(server.ca_file))
        except BaseException:
            connection.close()
            raise
    return connection


def _log_in(connection: smtplib.SMTP, user: str, password: str) -> None:
    if user.isascii() and password.isascii():
        connection.login(user, password)
        return
    # The library knows ASCII only; PLAIN is UTF-8: https://www.rfc-editor.org/rfc/rfc4616
    connection.ehlo_or_helo_if_needed()
    given = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
    code, words = connection.docmd("AUTH", f"PLAIN {given}")
    if code != _WELCOME:
        raise smtplib.SMTPAuthenticationError(code, words)


def _domain(sender: str) -> str:
    return sender.rpartition("@")[2].strip("<> ") or "llmitm"


def _refusals(refused: dict[str, tuple[int, bytes]]) -> str:
    return ", ".join(
        f"{address} ({code} {words.decode('utf-8', 'replace')})"
        for address, (code, words) in refused.items()
    )
