"""Where llmitm keeps its files: one folder, `~/.llmitm`, or the one that `LLMITM_HOME` names."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Home:
    """The folder and the names of the files in it. Nothing is created until `create` is called."""

    folder: Path

    @property
    def settings(self) -> Path:
        """The settings file, TOML."""
        return self.folder / "settings.toml"

    @property
    def database(self) -> Path:
        """The log, SQLite."""
        return self.folder / "llmitm.db"

    @property
    def cache(self) -> Path:
        """Answers that are kept to be given again, SQLite."""
        return self.folder / "cache.db"

    @property
    def allowances(self) -> Path:
        """What is left of the user's own rate limits, SQLite."""
        return self.folder / "allowances.db"

    @property
    def alerts(self) -> Path:
        """Which alerts fire, and the messages of all, SQLite."""
        return self.folder / "alerts.db"

    @property
    def budgets(self) -> Path:
        """The accounts of the user's budgets, SQLite."""
        return self.folder / "budgets.db"

    @property
    def metrics_secret(self) -> Path:
        """What Prometheus brings to be told the dashboard's metrics."""
        return self.folder / "metrics.secret"

    @property
    def runaways(self) -> Path:
        """Runs that ran away, and those that are held, SQLite."""
        return self.folder / "runaways.db"

    @property
    def ca(self) -> Path:
        """mitmproxy's confdir: our CA with its key, kept apart from the user's own `~/.mitmproxy`."""
        return self.folder / "ca"

    @property
    def ca_certificate(self) -> Path:
        """Our CA's certificate alone, for variables that add to a client's roots."""
        return self.folder / "ca.pem"

    @property
    def bundle(self) -> Path:
        """Public roots, the user's own and ours, for variables that replace a client's roots."""
        return self.folder / "bundle.pem"

    @property
    def running(self) -> Path:
        """What the running proxy says of itself (port, pid), JSON."""
        return self.folder / "proxy.json"

    @property
    def prices(self) -> Path:
        """The user's own price files, which go before the table's."""
        return self.folder / "prices"

    @property
    def encodings(self) -> Path:
        """tiktoken's encodings, under the names it looks for."""
        return self.folder / "encodings"

    def create(self) -> None:
        """Make the folder, readable by its owner only."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def home() -> Home:
    """Return the folder in use: `LLMITM_HOME`, else `~/.llmitm`."""
    return Home(Path(os.environ.get("LLMITM_HOME") or "~/.llmitm").expanduser())
