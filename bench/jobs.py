"""What the database's own jobs cost: refresh each minute, and the columnstore and retention once a day.

    python -m bench.jobs [--database URL] [--rate 20] [--hours 6] [--rounds 60] [--write]

Eight channels have been on air for hours; then they go on minute by minute, and the jobs run as they would be due. What
a run takes by the clock, times its runs a day, is its share of a processor at most.
"""

import argparse
import tempfile
import time
from collections import defaultdict
from datetime import timedelta
from pathlib import Path

import numpy as np
from psycopg import Connection

from bench.history_rows import History, add_messages, fill_day, now, prepare
from bench.table import Table, machine
from bench.timescale import opened, run_jobs, schedule_jobs

_CHANNELS = 8
_DAY_MIN = 24 * 60
# Minutes between two runs, as sql/schema/timescale_policies has it.
_EVERY_MIN = {"chat_1s": 1, "chat_60s": 5, "chat_300s": 15}


def minute_by_minute(
    connection: Connection[tuple[object, ...]], history: History, rounds: int
) -> dict[str, list[float]]:
    """Seconds of each run of each refresh, while messages go on for `rounds` minutes after `history.now`.

    The minutes lie in the past of the server's clock by then: what a refresh leaves to the real-time part is passed.
    """
    taken: dict[str, list[float]] = defaultdict(list)
    for nth in range(rounds):
        add_messages(connection, history, history.now + timedelta(minutes=nth), seconds=60)
        due = [view for view, every in _EVERY_MIN.items() if (nth + 1) % every == 0]
        for view, seconds in run_jobs(connection, "refresh_continuous_aggregate", due).items():
            taken[view].append(seconds)
    return taken


def tell(table: Table, connection: Connection[tuple[object, ...]], rate: float, hours: float, rounds: int) -> None:
    """Loads yesterday and today, runs the jobs, and tells their cost."""
    schedule_jobs(connection, False)
    # The rounds end before the minutes that a refresh leaves alone, and a day that is over is there to be packed.
    history = History(4, _CHANNELS, rate, now() - timedelta(minutes=rounds + 20), hours)
    prepare(connection, history)
    fill_day(connection, history, 3)
    (before,) = connection.execute("SELECT count(*) FROM event").fetchone() or (0,)
    begun = time.monotonic()
    run_jobs(connection, "refresh_continuous_aggregate")
    whole = time.monotonic() - begun
    packing = run_jobs(connection, "compression")
    retention = run_jobs(connection, "retention")
    fill_day(connection, history, 0)
    run_jobs(connection, "refresh_continuous_aggregate")
    (events,) = connection.execute("SELECT count(*) FROM event").fetchone() or (0,)
    today = int(str(events)) - int(str(before))
    a_day = rate * _CHANNELS * 86_400
    table.add("messages of the day so far", f"{today:,}, {rate:g} a second of each of {_CHANNELS} channels")
    total = 0.0
    for view, seconds in minute_by_minute(connection, history, rounds).items():
        runs = _DAY_MIN / _EVERY_MIN[view]
        total += runs * float(np.mean(seconds))
        table.add(
            f"refresh of `{view}`: median and most of {len(seconds)} runs; all of a day",
            f"{np.median(seconds) * 1000:.0f} and {max(seconds) * 1000:.0f} ms; {runs * np.mean(seconds):.0f} s",
        )
    table.add(f"refresh of a day that came at once, {int(str(before)):,} messages, all three", f"{whole:.1f} s")
    pack = packing["event"] * a_day / int(str(before))
    total += pack + packing["chat_1s"] + sum(retention.values())
    table.add("packing, a million messages", f"{packing['event'] * 1e6 / int(str(before)):.1f} s")
    table.add(f"the same, reckoned for the {a_day / 1e6:.1f} million of a whole day", f"{pack:.0f} s")
    table.add("retention, with nothing to forget", f"{sum(retention.values()) * 1000:.0f} ms")
    table.add("all jobs of a day, share of a processor", f"{total / 86_400:.2%}")
    schedule_jobs(connection, True)


def main() -> None:
    """The command line of `python -m bench.jobs`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", help="a libpq URI of an empty database; default: the TimescaleDB of the tests")
    parser.add_argument("--rate", type=float, default=20.0, help="messages a second of a channel, the mean of all")
    parser.add_argument("--hours", type=float, default=6.0, help="that the channels have been on air before")
    parser.add_argument("--rounds", type=int, default=60, help="minutes that are played")
    parser.add_argument("--write", action="store_true", help="keep the table in docs/benchmarks.md")
    options = parser.parse_args()
    table = Table()
    with (
        tempfile.TemporaryDirectory() as home,
        opened(options.database, Path(home)) as (database, server),
        database.connect(autocommit=True) as connection,
    ):
        tell(table, connection, options.rate, options.hours, options.rounds)
    if options.write:
        table.keep("jobs", f"`python -m bench.jobs --write`, on {machine()}, {server}.")
    table.finish()


if __name__ == "__main__":
    main()
