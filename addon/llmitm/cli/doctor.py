"""`llmitm doctor`: is everything as it should be, and is a call from each runtime on this machine really captured?"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sqlite3
import stat
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from llmitm.home import Home
    from llmitm.settings import Settings

State = Literal["ok", "note", "problem"]
"""A `note` is nothing to repair; a `problem` makes the exit code 1."""

_MARKS = {"ok": "✓", "note": "–", "problem": "✗"}
_STALE = timedelta(days=120)
_LATELY = timedelta(days=30)
_NAMED = 3
"""Models that are named where there may be many."""
_CLOCK_TOLERANCE = timedelta(minutes=5)


class Finding(NamedTuple):
    """What was found about one thing."""

    name: str
    state: State
    text: str
    fix: str = ""
    """What to do about a problem."""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `doctor` to the command line."""
    parser = subparsers.add_parser(
        "doctor", help="check everything; prove that calls are captured", description=__doc__
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--quick", action="store_true", help="start no proxy and make no calls from runtimes"
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from llmitm.home import home

    place = home()
    findings = []
    for finding in _findings(place, quick=arguments.quick):
        findings.append(finding)
        if not arguments.json:
            _print(finding)
    if arguments.json:
        print(json.dumps([finding._asdict() for finding in findings], indent=2))
    return int(any(finding.state == "problem" for finding in findings))


def _print(finding: Finding) -> None:
    print(f"{_MARKS[finding.state]} {finding.name:<10} {finding.text}", flush=True)
    if finding.fix:
        print(f"  {'':<10} {finding.fix}", flush=True)


def _findings(place: Home, *, quick: bool) -> Iterator[Finding]:
    from llmitm.errors import LlmitmError, SettingsError
    from llmitm.settings import load

    try:
        settings = load(place)
    except SettingsError as error:
        yield Finding("settings", "problem", str(error), "Nothing runs on wrong settings.")
        return
    there = place.settings.exists()
    yield Finding("settings", "ok", str(place.settings) if there else "none, so all defaults")
    checks: list[Callable[[Home, Settings], Iterator[Finding]]] = [
        _trust,
        _proxy,
        _database,
        _clock,
        _prices,
        _encodings,
    ]
    if not quick:
        checks += [_around, _runtimes]
    for check in checks:
        try:
            yield from check(place, settings)
        except LlmitmError as error:
            yield Finding(check.__name__.strip("_"), "problem", str(error))


def _trust(place: Home, settings: Settings) -> Iterator[Finding]:
    from llmitm.bundle import certificates
    from llmitm.cli.options import trusted
    from llmitm.environment import original
    from llmitm.providers import hosts
    from llmitm.trust import allow, ensure, read

    names = hosts.load(settings.provider).names()
    ensure(place, names)
    authority = read(place)
    assert authority is not None  # it has just been ensured
    until = authority.certificate.not_valid_after_utc.date()
    allowed = allow(names)
    number = len(allowed.suffixes) + len(allowed.networks)
    yield Finding("ca", "ok", f"can sign for {number} domains of LLM hosts only, until {until}")
    key = place.ca / "mitmproxy-ca.pem"
    if stat.S_IMODE(key.stat().st_mode) & 0o077:
        yield Finding("ca key", "problem", f"{key}: others can read it", "llmitm ca rotate")
    roots = len(list(certificates(trusted(place, original(os.environ)).read_bytes())))
    yield Finding("bundle", "ok", f"{roots - 1} roots that were trusted before, and ours")


def _proxy(place: Home, settings: Settings) -> Iterator[Finding]:
    from llmitm.running import find

    address = (settings.proxy.listen, settings.proxy.port)
    found = find(place)
    if found is None:
        if _is_taken(*address):
            yield Finding(
                "proxy",
                "problem",
                f"another program listens on {address[0]}:{address[1]}",
                "llmitm proxy --port 0, or another port under [proxy] in the settings",
            )
        else:
            yield Finding("proxy", "note", "none is running; `llmitm run` starts its own")
        return
    health = found.health() or {}
    yield Finding("proxy", "ok", f"runs at {found.url}, process {health.get('pid')}")
    counters = health.get("counters") or {}
    lost = {name: count for name, count in counters.items() if name != "recorded" and count}
    lost |= {f"fault in {name}": count for name, count in (health.get("faults") or {}).items()}
    if lost:
        told = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in lost.items())
        yield Finding("log", "problem", told, "The calls themselves passed; the proxy says why.")
    refusals = health.get("refusals") or []
    for client, host in sorted({(each["client"], each["host"]) for each in refusals}):
        yield Finding(
            "refused",
            "problem",
            f"{client} refuses our certificate for {host}, so its calls fail",
            'start it by `llmitm run -- ...`, or after `eval "$(llmitm env)"`',
        )


def _is_taken(host: str, port: int) -> bool:
    """Tell whether a port cannot be opened; 0 takes a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((host, port))
        except OSError:
            return True
    return False


def _database(place: Home, settings: Settings) -> Iterator[Finding]:
    if not place.database.exists():
        yield Finding("database", "note", "none yet; the first call makes it")
        return
    try:
        yield from _log(place)
    except sqlite3.DatabaseError as error:
        fix = "move it away: a new one is made by the next call"
        yield Finding("database", "problem", f"{place.database} is damaged: {error}", fix)


def _log(place: Home) -> Iterator[Finding]:
    from llmitm.store.filters import Filter
    from llmitm.store.reader import reading

    with reading(place.database) as log:
        (fault,) = log.query("PRAGMA quick_check(1)")[0].values()
        if fault != "ok":
            raise sqlite3.DatabaseError(fault)
        calls = sum(sums.calls for sums in log.sums(Filter()))
        lately = Filter(since=datetime.now(UTC) - _LATELY)
        unpriced = [sums for sums in log.sums(lately, ["provider", "model"]) if sums.unpriced]
        losses = log.losses()
    size = place.database.stat().st_size / 1e6
    yield Finding("database", "ok", f"{place.database}: {calls:,} calls, {size:,.1f} MB")
    if stat.S_IMODE(place.database.stat().st_mode) & 0o077:
        fix = f"chmod 600 {place.database}"
        yield Finding("database", "problem", "others can read it", fix)
    if losses:
        told = ", ".join(f"{reason} {count:,} times" for reason, count in losses.items())
        yield Finding("lost", "note", f"since the log began: {told}")
    if unpriced:
        names = [f"{sums.by[1] or 'no model'} ({sums.by[0]})" for sums in unpriced]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        text = f"in {_LATELY.days} days: {', '.join(names[:_NAMED])}{more}"
        yield Finding("unpriced", "note", f"{text}. llmitm show tells why")


def _clock(place: Home, settings: Settings) -> Iterator[Finding]:
    """Prices, ids and certificates go by the clock; a wrong one shows in what it has stamped before."""
    from llmitm.trust import read

    now = datetime.now(UTC)
    authority = read(place)
    if authority and now < authority.certificate.not_valid_before_utc:
        made = authority.certificate.not_valid_before_utc
        fix = "set the clock; if it was wrong before: llmitm ca rotate"
        yield Finding("clock", "problem", f"{now:%Y-%m-%d} is before our CA's {made:%Y-%m-%d}", fix)
        return
    if place.database.exists():
        written = datetime.fromtimestamp(place.database.stat().st_mtime, UTC)
        if written > now + _CLOCK_TOLERANCE:
            text = f"the log was written at {written:%Y-%m-%d %H:%M}, which is yet to come"
            yield Finding("clock", "problem", text, "set the clock")
            return
    yield Finding("clock", "ok", f"{now:%Y-%m-%d %H:%M} UTC")


def _prices(place: Home, settings: Settings) -> Iterator[Finding]:
    from llmitm_pricing import PriceFileError, PriceTable

    try:
        table = PriceTable.load(own=place.prices).reloaded()
        files = [file for name in table.providers() for file in table.files(name)]
    except PriceFileError as error:
        yield Finding(
            "prices", "problem", str(error), "without a price table every call is unpriced"
        )
        return
    for broken in table.broken.values():
        remedy = "right it: until then a running proxy keeps its last good prices, others have none"
        yield Finding("prices", "problem", broken.told, remedy)
    models = sum(len(file.model) for file in files)
    checked = [
        day for file in files for day in (file.checked, *(m.checked for m in file.model)) if day
    ]
    text = f"{models:,} models"
    if checked:
        text += f", last checked {max(checked)}"
    is_stale = bool(checked) and datetime.now(UTC).date() - max(checked) > _STALE
    yield Finding("prices", "note" if is_stale else "ok", text + (", which is long ago" * is_stale))


def _encodings(place: Home, settings: Settings) -> Iterator[Finding]:
    from llmitm.cli.encodings import present
    from llmitm.encodings import SHA256

    found = present(place)
    if found:
        yield Finding("encodings", "ok", f"{', '.join(found)}, for estimates")
    else:
        text = f"none of {len(SHA256)}; estimates are a rule of thumb. llmitm encodings fetch"
        yield Finding("encodings", "note", text)


def _around(place: Home, settings: Settings) -> Iterator[Finding]:
    """Programs that are running now and call LLM hosts without us."""
    from llmitm import around
    from llmitm.providers import hosts

    if not (around.PROC / "net" / "tcp").exists():
        yield Finding("around", "note", "unknown: only Linux shows who is connected where")
        return
    table = hosts.load(settings.provider)
    origins = (table.origin(entry) for entry in table.entries)
    known = around.resolved((each.host, each.port) for each in origins if each)
    remote = {name for each, names in known.items() if not each.ip.is_loopback for name in names}
    found = around.seen(known)
    for bypass in found:
        program, names = bypass.program, " or ".join(bypass.hosts[:_NAMED])
        text = f"{program.name} (process {program.process}) is connected to {names}, or to what shares its address"
        fix = 'not through the proxy. Start it by `llmitm run -- ...`, or after `eval "$(llmitm env)"`'
        yield Finding("around", "note", text, fix)
    if not remote:
        text = "unknown: no name of an LLM host can be resolved here"
        yield Finding("around", "note", text)
    elif not found:
        text = f"no program of yours is connected to {len(remote)} LLM hosts around the proxy"
        yield Finding("around", "ok", text)


def _runtimes(place: Home, settings: Settings) -> Iterator[Finding]:
    from llmitm.cli.options import trusted
    from llmitm.environment import original
    from llmitm.runtimes import prove

    if sys.stderr.isatty():
        print("  a call from each runtime ...", end="\r", file=sys.stderr, flush=True)
    for proof in prove(place, trusted(place, original(os.environ)), os.environ):
        text = f"{proof.version:<9} its call is captured"
        if proof.captured:
            yield Finding(proof.name, "ok", text)
        else:
            text = f"{proof.version:<9} its call is not captured: {proof.said}"
            yield Finding(proof.name, "problem", text, "docs/clients.md; or llmitm run --base-url")
