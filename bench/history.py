"""Ninety days of eight channels, and every statement of the dashboards over random parts of them.

    python -m bench.history --database URL [--days 90] [--channels 8] [--rate 4] [--runs 60] [--write]

The database has to be an empty one (it is filled, which takes an hour), or one that an earlier run has filled: then
only the statements are run. Without --database it is the TimescaleDB of the tests, which holds a small history only.
Each view is asked for twice: with pages and plans that are as cold as other views have left them, and again at once.
"""

import argparse
import random
import re
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from psycopg import Connection, sql

from bench.history_rows import History, fill_day, now, prepare
from bench.table import Table, machine
from bench.timescale import opened, run_jobs, schedule_jobs
from grafana.macros import View, expand
from store.queries import query

_FOLDER = Path(__file__).parent.parent / "sql" / "queries" / "grafana"
_WANTED_MS = 200.0
_RANGES = {
    "5 min": timedelta(minutes=5),
    "1 h": timedelta(hours=1),
    "6 h": timedelta(hours=6),
    "24 h": timedelta(hours=24),
    "7 d": timedelta(days=7),
    "90 d": timedelta(days=90),
}

# Where the dashboard lets choose one channel only.
_OF_ONE_CHANNEL = {"choose_broadcast"}

_BROADCASTS = "SELECT stream_id, channel_id, opened_at, coalesce(closed_at, now()) FROM broadcast ORDER BY broadcast_id"


@dataclass
class Timed:
    """One statement's times, ms."""

    first: list[float] = field(default_factory=list)
    again: list[float] = field(default_factory=list)
    slowest: tuple[float, str, str] = (0.0, "", "")
    """The slowest first time, its range, and the statement as it was."""

    def p95(self) -> float:
        """Nineteen of twenty first times are within it."""
        return float(np.percentile(self.first, 95))


def statements() -> list[str]:
    """The names of the dashboards' statements."""
    return [name for path in sorted(_FOLDER.glob("*.sql")) for name in re.findall(r"-- name: (\w+)", path.read_text())]


def views(chance: random.Random, connection: Connection[tuple[object, ...]], count: int) -> Iterator[tuple[str, View]]:
    """Random views and the names of their ranges: every range in turn; of all channels or one, up to now or within the
    past, and always with some broadcast in it.
    """
    broadcasts = [
        (str(stream), str(channel), opened, closed)
        for stream, channel, opened, closed in connection.execute(_BROADCASTS)
        if isinstance(opened, datetime) and isinstance(closed, datetime)
    ]
    channels = sorted({channel for _, channel, _, _ in broadcasts})
    for nth in range(count):
        name, width = list(_RANGES.items())[nth % len(_RANGES)]
        stream, channel, opened_at, closed_at = chance.choice(broadcasts)
        moment = opened_at + (closed_at - opened_at) * chance.random()
        until = min(now(), moment + width * chance.random()) if chance.random() < 0.7 else now()
        variables = {
            "broadcast": stream,
            "channel": channels if chance.random() < 0.5 else [channel],
            "language": "ko",
            "moment": str(int(moment.timestamp() * 1000)) if chance.random() < 0.5 else "",
        }
        yield name, View(until - width, until, points=chance.choice((400, 1000, 1600)), variables=variables)


def measure(connection: Connection[tuple[object, ...]], runs: int, seed: str = "views") -> dict[str, Timed]:
    """The times of each statement over `runs` views."""
    timed: dict[str, Timed] = defaultdict(Timed)
    connection.execute("SET statement_timeout = '30s'")
    for name, view in views(random.Random(seed), connection, runs):
        for statement in statements():
            text = expand(query(statement), _of_one(view) if statement in _OF_ONE_CHANNEL else view)
            first = _ms(connection, text)
            timed[statement].first.append(first)
            timed[statement].again.append(_ms(connection, text))
            timed[statement].slowest = max(timed[statement].slowest, (first, name, text))
    return timed


def _of_one(view: View) -> View:
    return replace(view, variables={**view.variables, "channel": view.variables["channel"][0]})


def _ms(connection: Connection[tuple[object, ...]], text: str) -> float:
    begun = time.monotonic()
    connection.execute(text).fetchall()
    return (time.monotonic() - begun) * 1000


def load(connection: Connection[tuple[object, ...]], history: History) -> None:
    """Fills an empty database as the collector and the server's jobs would have, and says what day it is at."""
    schedule_jobs(connection, False)
    prepare(connection, history)
    for day in reversed(range(history.days)):
        fill_day(connection, history, day)
        for kind in ("refresh_continuous_aggregate", "compression"):
            run_jobs(connection, kind)
        print(f"{day} days to go", flush=True)
    connection.execute("ANALYZE")
    schedule_jobs(connection, True)


def tell(table: Table, connection: Connection[tuple[object, ...]], timed: dict[str, Timed]) -> None:
    """What there is, and the times."""
    sizes = (
        "SELECT count(*), count(DISTINCT channel_id), extract(day FROM max(opened_at) - min(opened_at)) FROM broadcast"
    )
    count, channels, days = connection.execute(sizes).fetchone() or (0, 0, 0)
    table.add("broadcasts", f"{count:,} of {channels} channels, {int(str(days)) + 1} days")
    for relation in ("event", "chat_1s", "chat_60s", "chat_300s"):
        count_all = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(relation))
        (rows,) = connection.execute(count_all).fetchone() or (0,)
        table.add(f"rows of {relation}", f"{rows:,}")
    for statement, times in timed.items():
        middle, most = np.median(times.first), max(times.first)
        again = np.percentile(times.again, 95)
        table.add(
            f"`{statement}`",
            f"{middle:.0f} / {times.p95():.0f} / {most:.0f} ms; again {again:.0f} ms",
            f"at most {_WANTED_MS:.0f} ms",
            met=times.p95() <= _WANTED_MS,
        )


def explain(connection: Connection[tuple[object, ...]], timed: dict[str, Timed], file: Path) -> None:
    """Writes how the server runs the statements that are too slow, each in its slowest view."""
    with file.open("w", encoding="utf-8") as out:
        for statement, times in timed.items():
            if times.p95() > _WANTED_MS:
                ms, name, text = times.slowest
                out.write(f"## {statement}: p95 {times.p95():.0f} ms, slowest {ms:.0f} ms over {name}\n\n")
                out.write(f"```sql\n{text}\n```\n```text\n")
                plan = connection.execute(f"EXPLAIN (ANALYZE, BUFFERS) {text}")
                out.writelines(f"{line}\n" for (line,) in plan)
                out.write("```\n\n")


def main() -> None:
    """The command line of `python -m bench.history`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", help="a libpq URI of an empty database, or of one that this has filled")
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--channels", type=int, default=8)
    parser.add_argument("--rate", type=float, default=4.0, help="chats a second of a channel, the mean of all")
    parser.add_argument("--runs", type=int, default=60, help="random views")
    parser.add_argument("--explain", type=Path, help="write the plans of what is too slow into this file")
    parser.add_argument("--write", action="store_true", help="keep the table in docs/benchmarks.md")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as home,
        opened(options.database, Path(home)) as (database, server),
        database.connect(autocommit=True) as connection,
    ):
        if connection.execute("SELECT FROM broadcast LIMIT 1").fetchone() is None:
            load(connection, History(options.days, options.channels, options.rate, now()))
        timed = measure(connection, options.runs)
        table = Table()
        tell(table, connection, timed)
        if options.explain:
            explain(connection, timed, options.explain)
    if options.write:
        note = f"`python -m bench.history --write`, on {machine()}, {server}: p50 / p95 / most of {options.runs} views."
        table.keep("history", note)
    table.finish()


if __name__ == "__main__":
    main()
