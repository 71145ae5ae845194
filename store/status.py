"""The state of the database for whoever looks after it: sizes, chunks, jobs, collectors. Quick on a large one, too."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg.rows import dict_row

import sql
from store.database import Database
from store.migrate import installed_version
from store.upkeep import edition_text

Rows = list[dict[str, Any]]


def read_status(database: Database) -> dict[str, Any]:
    """What there is to know, as plain values: times are datetimes, sizes bytes, durations seconds.

    Any role may ask. Never the password.
    """
    timescale = database.edition == "timescaledb"
    with database.connect(autocommit=True) as connection:

        def rows(name: str) -> Rows:
            return connection.cursor(row_factory=dict_row).execute(sql.query(name)).fetchall()

        (found,) = rows("status_of_database")
        (events,) = rows("status_of_events" if timescale else "status_of_plain_events")
        status = {
            "place": f"{database.parameters.get('host', '')} {database.parameters.get('dbname', '')}".strip(),
            "user": database.parameters.get("user"),
            "edition": edition_text(database),
            "schema": installed_version(connection),
            **found,
            "events": rows("count_events")[0]["events"] if events["exact"] else events["about"],
            "events_exact": events["exact"],
            "retention": rows("status_of_retention"),
            "collectors": rows("status_of_collectors"),
        }
        if timescale:
            status["sizes"] = rows("status_of_hypertable_sizes") + rows("status_of_table_sizes")
            status["chunks"] = rows("status_of_chunks")
            status["compression"] = rows("status_of_compression")
            status["jobs"] = rows("status_of_jobs")
        else:
            status["sizes"] = rows("status_of_table_sizes")
            status["vacuum"] = rows("status_of_vacuum")
    status["sizes"].sort(key=lambda row: -row["bytes"])
    return status


def status_lines(status: dict[str, Any]) -> Iterator[str]:
    """The status for a person."""
    now = datetime.now(UTC)
    for name in ("place", "user", "edition", "schema", "postgresql", "timescaledb"):
        if status[name] is not None:
            yield _line(name, status[name])
    yield _line("size", _size(status["size"]))
    yield _line("channels", f"{status['channels']:,}")
    yield _line("broadcasts", f"{status['broadcasts']:,}, {status['open_broadcasts']:,} of them open")
    yield _line("events", f"{'' if status['events_exact'] else 'about '}{status['events']:,}")
    yield _line("newest event", _ago(status["newest_event"], now))
    yield _line("open gaps", f"{status['open_gaps']:,}")
    for row in status["retention"]:
        yield _line(f"keeps {row['relation']}", f"{row['keep_days']} days" if row["keep_days"] else "for ever")
    for row in status["sizes"]:
        yield _line(f"size of {row['relation']}", _size(row["bytes"]))
    for row in status.get("chunks", ()):
        days = f", {row['oldest']:%Y-%m-%d} to {row['newest']:%Y-%m-%d}" if row["oldest"] else ""
        yield _line(f"chunks of {row['relation']}", f"{row['chunks']}, {row['compressed']} compressed{days}")
    for row in status.get("compression", ()):
        per_row = f", {row['bytes_per_row']:.1f} bytes a row" if row["bytes_per_row"] else ""
        before, after = _size(row["before_bytes"]), _size(row["after_bytes"])
        yield _line(f"compressed {row['relation']}", f"{before} to {after}, {row['ratio']:.1f} to 1{per_row}")
    for row in status.get("vacuum", ()):
        yield _line(f"vacuum of {row['relation']}", f"{_ago(row['vacuumed_at'], now)}, {row['dead_rows']:,} dead rows")
    for row in status.get("jobs", ()):
        yield _line(f"{row['job']} of {row['relation']}", " ".join(_job(row, now)))
    for row in status["collectors"]:
        state = "stopped" if row["stopped_at"] else f"heartbeat {_ago(row['heartbeat_at'], now)}"
        yield _line(f"collector {row['collector_id']}", f"{state}, {row['channels']} channels, {row['live']} on air")
    if not status["collectors"]:
        yield _line("collector", "none was here yet")


def _job(row: dict[str, Any], now: datetime) -> Iterator[str]:
    every = str(timedelta(seconds=row["every_sec"])).removesuffix(", 0:00:00")
    yield f"every {every}, last run {_ago(row['last_started_at'], now)}"
    if not row["scheduled"]:
        yield "- SWITCHED OFF"
    # One that waits for its turn is no cause for worry; one that has missed a whole turn is.
    if row["late_sec"] > row["every_sec"]:
        yield f"- LATE by {timedelta(seconds=round(row['late_sec']))}: are background workers left?"
    if row["last_error"]:
        well = _ago(row["last_success_at"], now)
        yield f"- FAILED, last well {well}, {row['failures']} failures in all: {row['last_error']}"


def _line(name: str, value: object) -> str:
    return f"{name:<30} {' '.join(str(value).split())}"


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if count < 10_240:
            return f"{count:,.0f} {unit}"
        count /= 1024
    return f"{count:,.1f} GB"


def _ago(moment: datetime | None, now: datetime) -> str:
    if moment is None:
        return "never"
    return f"{timedelta(seconds=max(0, round((now - moment).total_seconds())))} ago"
