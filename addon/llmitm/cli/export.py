"""`llmitm export`: calls in the forms of other programs, to a file or to standard output."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from llmitm.cli.filtering import add_filters, wanted
from llmitm.cli.output import calls, progress
from llmitm.errors import LlmitmError

if TYPE_CHECKING:
    from llmitm.store.reader import Logged, Reader, Record

_MOST_ON_A_PAGE = 2_000
_FORMS = {
    "jsonl": "an object a line, with the bodies",
    "csv": "a row a call",
    "har": "as browsers' tools and proxies read it, with the bodies",
    "html": "one page that can be mailed, with the conversations",
    "parquet": "columns, for DuckDB, pandas, Polars",
}
_WITH_BODIES = ("jsonl", "har", "html")
_STANDARD_OUTPUT = Path("-")


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `export` to the command line."""
    parser = subparsers.add_parser(
        "export", help="calls as CSV, JSONL, HAR, HTML, Parquet, OpenTelemetry", description=__doc__
    )
    forms = parser.add_subparsers(metavar="FORM", required=True)
    for form, words in _FORMS.items():
        form_parser = forms.add_parser(form, help=words, description=words)
        add_options(form_parser, form)
        form_parser.set_defaults(run=_run, form=form)
    otlp = forms.add_parser(
        "otlp",
        help="OpenTelemetry: spans and metrics to a collector",
        description="Spans and metrics over OTLP (HTTP, protobuf), named as in the GenAI semantic conventions.",
    )
    add_filters(otlp)
    otlp.add_argument(
        "--endpoint",
        metavar="URL",
        help="else OTEL_EXPORTER_OTLP_ENDPOINT, [otlp] of the settings, http://localhost:4318",
    )
    otlp.add_argument("--content", action="store_true", help="with prompts and answers")
    otlp.add_argument("-n", type=int, metavar="N", help="the latest N calls")
    otlp.set_defaults(run=_otlp)


def add_options(parser: argparse.ArgumentParser, form: str) -> None:
    """Add what every form of a file has."""
    add_filters(parser)
    parser.add_argument("-n", type=int, metavar="N", help="the latest N calls")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=_STANDARD_OUTPUT,
        metavar="FILE",
        help="else standard output",
    )
    parser.add_argument(
        "--conversation",
        metavar="ID",
        help="all calls of the conversation that a call is part of, and no others; last is the latest call",
    )
    if form == "html":
        parser.add_argument("--title", help="of the page")
    parser.add_argument(
        "--bodies",
        action=argparse.BooleanOptionalAction,
        default=form in _WITH_BODIES,
        help="prompts and answers whole",
    )


def _run(arguments: argparse.Namespace) -> int:
    from llmitm.home import home
    from llmitm.store.reader import reading

    with reading(home().database) as log:
        return write(log, arguments)


def write(log: Reader, arguments: argparse.Namespace) -> int:
    """Write what was asked for."""
    if arguments.conversation:
        found = log.conversation(arguments.conversation, bodies=arguments.bodies)
    else:
        found = log.logged(wanted(arguments), arguments.n, bodies=arguments.bodies)
    if arguments.form == "html" and len(found) > _MOST_ON_A_PAGE:
        raise LlmitmError(
            f"{calls(len(found))} are too many for a page, which holds {_MOST_ON_A_PAGE:,};"
            " choose with --run, --session, --since, -n"
        )
    output: Path = arguments.output
    if output == _STANDARD_OUTPUT and arguments.form == "parquet" and sys.stdout.isatty():
        raise LlmitmError("Parquet is binary; name a file with -o")
    with _opened(output) as file, _counted(found) as each:
        _writer(arguments)(file, each)
    if output != _STANDARD_OUTPUT:
        print(f"{output}: {calls(len(found))}", file=sys.stderr)
    return 0


def _writer(arguments: argparse.Namespace) -> Callable[[BinaryIO, Iterable[Record]], None]:
    form = arguments.form
    if form == "har":
        from llmitm.exports import har

        return har.write
    if form == "html":
        from llmitm.exports import html

        title = arguments.title or _title(arguments)
        return lambda file, each: html.write(file, each, title)
    if form == "parquet":
        from llmitm.exports import parquet

        return parquet.write
    from llmitm.exports import tables

    return tables.comma_separated if form == "csv" else tables.jsonl


def _title(arguments: argparse.Namespace) -> str:
    for name, value in (
        ("Conversation", arguments.conversation),
        ("Run", arguments.run_id),
        ("Session", arguments.session),
    ):
        if value:
            return f"{name} {value}"
    return "LLM calls"


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    if path == _STANDARD_OUTPUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        # Prompts are nobody else's business.
        path.touch(mode=0o600)
        file = path.open("wb")
    except OSError as error:
        raise LlmitmError(f"{path}: cannot be written: {error.strerror}") from error
    with file:
        yield file


@contextmanager
def _counted(found: Logged) -> Iterator[Iterable[Record]]:
    with progress(len(found), "exporting") as advance:

        def each() -> Iterator[Record]:
            for call in found:
                yield call
                advance(1)

        yield each()


def _otlp(arguments: argparse.Namespace) -> int:
    from llmitm.exports.otlp.sending import Collector, NotTakenError, send
    from llmitm.home import home
    from llmitm.settings import load
    from llmitm.store.reader import reading

    place = home()
    collector = Collector.of(load(place).otlp, arguments.endpoint)
    with reading(place.database) as log:
        found = log.logged(wanted(arguments), arguments.n, bodies=False)
        with _counted(found) as each:
            try:
                sent = send(collector, each, content=arguments.content)
            except NotTakenError as error:
                raise LlmitmError(str(error)) from error
    print(f"{collector.endpoint}: {calls(sent)}", file=sys.stderr)
    return 0
