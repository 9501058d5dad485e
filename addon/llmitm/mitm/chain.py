"""The list of addons, in order. mitmproxy runs them in this order in both directions."""

from __future__ import annotations

import logging

from llmitm.home import Home
from llmitm.mitm.backlog import Backlog
from llmitm.mitm.dashboards import Dashboards
from llmitm.mitm.dispatch import Dispatch
from llmitm.mitm.parts import made
from llmitm.mitm.translating import Translating
from llmitm.mitm.upstream import Upstream
from llmitm.providers.hosts import HostTable
from llmitm.settings import Settings

log = logging.getLogger("llmitm")


def chain(home: Home, settings: Settings, hosts: HostTable, *, quiet: bool = False) -> list[object]:
    """Return the addons that make mitmproxy llmitm, and start the recorder behind them."""
    _mend()
    parts = made(home, settings, hosts, quiet=quiet)
    return [
        Dashboards(home),  # what nobody reaches through us
        Backlog(),  # how many may wait to be taken
        Upstream(hosts),  # first: options that everything after relies on
        parts.tunnel,  # what is decrypted at all
        parts.gateway,  # re-targets a request before it is identified
        parts.callers,  # who makes it
        parts.intercept,  # the call itself
        parts.modelled,  # what the gateway decided of it
        parts.answering,  # what need not go upstream
        parts.runaways,  # what goes in circles
        parts.budgets,  # what there is no money left for
        parts.allowances,  # what may not: beyond a limit of the user's own
        *([parts.governing] if parts.governing else []),  # waits for the provider's limits
        parts.attempts,  # tries it again, or elsewhere
        Translating(),  # behind the tap: the log has what the provider sent
        Dispatch(),  # finds handlers faster than stock mitmdump does
        parts.console,  # closes the log when all is over
        parts.telemetry,  # sends what the log got last
        parts.alerting,  # looks at what the log has then
        parts.budgets_closing,  # last: what is in the log then is settled
    ]


def _mend() -> None:
    """Change what mitmproxy's layers lack and what takes it long, if they are those that we know."""
    try:
        from llmitm.mitm import layers, resending, trims
    except (ImportError, AttributeError) as error:
        log.warning(
            "llmitm: this mitmproxy is not one that we know, and is left as it is: %s", error
        )
    else:
        layers.mend()
        trims.trim_headers()
        trims.trim_options()
        resending.install()
