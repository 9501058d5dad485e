"""`llmitm db`: the log as a file: where it is, what it holds, a copy of it, and what is to go."""

from __future__ import annotations

import argparse
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from llmitm.cli.export import add_options
from llmitm.cli.output import Column, add_forms, as_json, progress, table
from llmitm.errors import LlmitmError

_STEPS_A_LOOK = 20
"""Steps of removing between two looks at how much is left."""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `db` to the command line."""
    parser = subparsers.add_parser(
        "db",
        help="the log's file: path, sql, schema, backup, prune, export, datasette",
        description=__doc__,
    )
    verbs = parser.add_subparsers(metavar="WHAT", required=True)
    verbs.add_parser("path", help="where it is").set_defaults(run=_path)
    verbs.add_parser("schema", help="its tables and views").set_defaults(run=_schema)
    sql = verbs.add_parser("sql", help="the rows of a query; the log is only read")
    sql.add_argument("query", help="one SELECT")
    add_forms(sql)
    sql.set_defaults(run=_sql)
    backup = verbs.add_parser("backup", help="a copy, whole even while the proxy writes")
    backup.add_argument("file", type=Path, help="a new one")
    backup.set_defaults(run=_backup)
    prune = verbs.add_parser("prune", help="remove what is old; the sums stay")
    prune.add_argument("--older", type=_days, required=True, metavar="30d", help="days to keep")
    prune.add_argument("--bodies", action="store_true", help="only prompts and answers")
    prune.set_defaults(run=_prune)
    export = verbs.add_parser("export", help="llmitm export jsonl; --csv, --har, --html, --parquet")
    forms = export.add_mutually_exclusive_group()
    for form in ("jsonl", "csv", "har", "html", "parquet"):
        forms.add_argument(
            f"--{form}", action="store_const", const=form, dest="form", help=f"as {form}"
        )
    add_options(export, "jsonl")
    export.add_argument("--title", help="of the page, with --html")
    export.set_defaults(run=_export)
    datasette = verbs.add_parser(
        "datasette",
        help="metadata with queries for Datasette",
        description="Metadata for Datasette: the tables described, and ten queries that are ready to run.",
    )
    datasette.add_argument("-o", "--output", type=Path, metavar="FILE", help="else standard output")
    datasette.set_defaults(run=_datasette)


def _path(arguments: argparse.Namespace) -> int:
    from llmitm.home import home

    print(home().database)
    return 0


def _schema(arguments: argparse.Namespace) -> int:
    from llmitm.home import home
    from llmitm.store.reader import reading

    with reading(home().database) as log:
        for row in log.query(
            "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type, name"
        ):
            print(f"{row['sql']};\n")
    return 0


def _sql(arguments: argparse.Namespace) -> int:
    from llmitm.home import home
    from llmitm.store.reader import reading

    with reading(home().database) as log:
        try:
            rows = log.query(arguments.query)
        except sqlite3.Error as error:
            raise LlmitmError(f"{error}; llmitm db schema shows what there is") from error
    if arguments.form:
        as_json(rows, arguments.form)
    elif rows:
        columns = [Column(name) for name in rows[0]]
        table(
            columns,
            [["" if value is None else str(value) for value in row.values()] for row in rows],
        )
    return 0


def _backup(arguments: argparse.Namespace) -> int:
    from llmitm.home import home
    from llmitm.store.reader import reading

    target: Path = arguments.file
    if target.exists():
        raise LlmitmError(f"{target} exists; name a file that does not")
    target.touch(mode=0o600)
    with reading(home().database) as log, closing(sqlite3.connect(target)) as copy:
        log.backup(copy)
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB", file=sys.stderr)
    return 0


def _prune(arguments: argparse.Namespace) -> int:
    from llmitm.home import home
    from llmitm.store.retention import Retention
    from llmitm.store.writer import Writer

    place = home()
    if not place.database.exists():
        raise LlmitmError(f"{place.database}: there is no log yet")
    days = arguments.older
    retention = Retention(keep_bodies_days=days) if arguments.bodies else Retention(keep_days=days)
    before = place.database.stat().st_size
    with closing(Writer(place.database, retention)) as writer:
        left = writer.older_than(days, bodies=arguments.bodies)
        with progress(left, "removing") as advance:
            steps = 0
            while writer.tidy():
                steps += 1
                if steps % _STEPS_A_LOOK == 0:
                    now = writer.older_than(days, bodies=arguments.bodies)
                    advance(left - now)
                    left = now
            advance(left)
    after = place.database.stat().st_size
    print(
        f"{place.database}: {before / 1e6:.1f} MB before, {after / 1e6:.1f} MB now", file=sys.stderr
    )
    return 0


def _export(arguments: argparse.Namespace) -> int:
    from llmitm.cli.export import write
    from llmitm.home import home
    from llmitm.store.reader import reading

    arguments.form = arguments.form or "jsonl"
    with reading(home().database) as log:
        return write(log, arguments)


def _datasette(arguments: argparse.Namespace) -> int:
    from llmitm.exports.datasette import metadata
    from llmitm.home import home

    database = home().database
    text = metadata(database)
    if arguments.output is None:
        print(text, end="")
        return 0
    try:
        arguments.output.write_text(text, "utf-8")
    except OSError as error:
        raise LlmitmError(f"{arguments.output}: cannot be written: {error.strerror}") from error
    print(f"now: datasette {database} -m {arguments.output}", file=sys.stderr)
    return 0


def _days(text: str) -> int:
    number = text.removesuffix("d")
    if not number.isdecimal() or not int(number):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days, such as 30d")
    return int(number)
