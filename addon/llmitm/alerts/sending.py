"""What all channels share: how long they wait, whom they trust, and how they say that a message did not arrive."""

from __future__ import annotations

import ssl

import certifi

SECONDS = 10.0
"""How long one step of a receiver may take."""


class NotSentError(Exception):
    """A message did not arrive; it says why, in words for the user and without secrets."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        """Seconds that the receiver asks to wait."""


def trust(ca_file: str | None) -> ssl.SSLContext:
    """Return a context that trusts the system's roots, the public ones and one's own. Raises `NotSentError`."""
    context = ssl.create_default_context()
    # Pythons that were not made for this system may find no roots at all.
    context.load_verify_locations(certifi.where())
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except (OSError, ssl.SSLError) as error:
            raise NotSentError(f"ca_file {ca_file} cannot be read: {error}") from error
    return context
