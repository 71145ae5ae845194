"""Which broadcasts' files are to be made, and the job that makes them every night."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from pathlib import Path
from typing import Any

from psycopg.rows import dict_row

from analytics.folder import OutputError
from analytics.job import JobSettings, Made, export_broadcast
from store.database import Database
from store.errors import NokchartError
from store.event import KST
from store.queries import query

# A laptop that slept through its hour still does the work soon after it wakes.
_LONGEST_SLEEP_SEC = 60.0


class NoSuchBroadcast(NokchartError):
    """There is no such broadcast."""


def find_broadcasts(
    database: Database,
    *,
    broadcast: str | None = None,
    day: date | None = None,
    since: date | None = None,
    only_changed: bool = False,
    only_closed: bool = False,
) -> list[dict[str, Any]]:
    """Rows of broadcasts: the one called (or numbered) `broadcast`, those of `day`, those `since` a day (both in KST).

    `only_changed`: those whose files are missing or older than their rows. NoSuchBroadcast where `broadcast` is none.
    """
    begin = day or since
    with database.connect(row_factory=dict_row) as connection:
        rows: list[dict[str, Any]] = connection.execute(  # type: ignore[assignment]
            query("find_broadcasts"),
            {
                "broadcast": broadcast,
                "since": None if begin is None else _midnight(begin),
                "until": None if day is None else _midnight(day + timedelta(days=1)),
                "only_changed": only_changed,
                "only_closed": only_closed,
            },
        ).fetchall()
    if broadcast is not None and not rows:
        raise NoSuchBroadcast(f"There is no broadcast {broadcast}: `nokchart stats` lists those there are.")
    return rows


def export_all(database: Database, rows: list[dict[str, Any]], outdir: Path, settings: JobSettings) -> Iterator[Made]:
    """Makes the folder of each broadcast, one after the other.

    One that fails does not keep the others from theirs: OutputError at the end, with the first failure.
    """
    failures = []
    for row in rows:
        try:
            made = export_broadcast(database, row, outdir, settings)
        except OutputError as error:
            failures.append(error)
        else:
            yield made
    if failures:
        more = f" So it is with {len(failures) - 1} more of {len(rows)} broadcasts." if len(failures) > 1 else ""
        raise OutputError(f"{failures[0]}{more}")


def every_day(at: clock_time, job: Callable[[], None]) -> None:
    """Runs `job` each day at `at`, Korean time, forever."""
    following = next_time(at, datetime.now(UTC))
    while True:
        while (left := (following - datetime.now(UTC)).total_seconds()) > 0:
            time.sleep(min(left, _LONGEST_SLEEP_SEC))
        job()
        following = next_time(at, datetime.now(UTC))


def next_time(at: clock_time, now: datetime) -> datetime:
    """The next moment after `now` at which the clock in Korea shows `at`."""
    today = datetime.combine(now.astimezone(KST).date(), at, KST)
    return today if today > now else today + timedelta(days=1)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, clock_time(), KST)
