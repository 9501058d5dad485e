"""The errors that llmitm raises itself; nothing in a mitmproxy hook ever raises one.

LlmitmError              one line for the user; the command line prints it and exits
├── SettingsError        a settings or provider file is wrong: names file, key, value, what is allowed
├── TrustError           the CA or the bundle cannot be made or read
├── ProxyError           the proxy cannot be started or reached
└── StoreError           the database cannot be opened or is not ours
"""


class LlmitmError(Exception):
    """A fault with a one-line explanation for the user."""


class SettingsError(LlmitmError):
    """A settings or provider file is wrong."""


class TrustError(LlmitmError):
    """The CA or the bundle cannot be made or read."""


class ProxyError(LlmitmError):
    """The proxy cannot be started or reached."""


class StoreError(LlmitmError):
    """The database cannot be opened or is not ours."""
