"""Which broadcasts' files are to be made, and making them one after the other, whatever becomes of one of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as clock_time
from pathlib import Path
from typing import Any

from psycopg.rows import dict_row

from analytics.failures import sentence_of
from analytics.folder import broadcast_folder
from analytics.job import JobSettings, Made, export_broadcast
from analytics.parquet import parquet_path
from store.database import Database
from store.errors import NokchartError
from store.event import KST
from store.queries import query


class NoSuchBroadcast(NokchartError):
    """There is no such broadcast."""


@dataclass(frozen=True)
class Choice:
    """Which broadcasts are meant. What is not given is no condition."""

    broadcasts: Sequence[str] | None = None
    """By number or stream_id."""
    since: date | None = None
    until: date | None = None
    """Days in Korea on which they opened, both inclusive."""
    only_ended: bool = False
    only_due: bool = False
    """Those whose files are not in the output folder, are older than their rows, or were made with other settings."""


@dataclass(frozen=True)
class Outcome:
    """What became of one broadcast: files, or a sentence that says why there are none."""

    stream_id: str
    made: Made | None = None
    left: str | None = None
    """Its files were left as they are, on purpose."""
    failed: str | None = None


def find_broadcasts(database: Database, choice: Choice, outdir: Path, settings: JobSettings) -> list[dict[str, Any]]:
    """Rows of the query find_broadcasts, in order of their opening. NoSuchBroadcast where one that is named is none."""
    with database.connect(row_factory=dict_row) as connection:
        rows: list[dict[str, Any]] = connection.execute(  # type: ignore[assignment]
            query("find_broadcasts"),
            {
                "broadcasts": None if choice.broadcasts is None else list(choice.broadcasts),
                "since": None if choice.since is None else _midnight(choice.since),
                "until": None if choice.until is None else _midnight(choice.until + timedelta(days=1)),
                "only_closed": choice.only_ended,
                "up_to_date": settings.up_to_date,
            },
        ).fetchall()
    for name in choice.broadcasts or ():
        if not any(name in (row["stream_id"], str(row["broadcast_id"])) for row in rows):
            raise NoSuchBroadcast(f"There is no broadcast {name}: `nokchart stats` lists those there are.")
    if not choice.only_due:
        return rows
    since = kept_since(database)
    return [
        row
        for row in rows
        # What is forgotten cannot be made again, and need not be said every night.
        if _is_kept(row, since) and (row["due"] or not _has_files(row, outdir, settings))
    ]


def export_all(
    database: Database, rows: Sequence[dict[str, Any]], choice: Choice, outdir: Path, settings: JobSettings
) -> Iterator[Outcome]:
    """Makes the files of each broadcast, and says what became of it; one that fails does not stop the others.

    DatabaseUnavailable where the database is away: that is none of theirs.
    """
    since = kept_since(database)
    for row in rows:
        stream_id = row["stream_id"]
        if not _is_kept(row, since):
            yield Outcome(stream_id, left=f"{stream_id}: its messages are not all kept any more, so its files stay.")
            continue
        try:
            # A long night: another export may have made them meanwhile.
            alone = Choice([str(row["broadcast_id"])], only_due=True)
            if choice.only_due and not find_broadcasts(database, alone, outdir, settings):
                continue
            yield Outcome(stream_id, made=export_broadcast(database, row["broadcast_id"], outdir, settings))
        except Exception as error:
            yield Outcome(stream_id, failed=sentence_of(stream_id, error))


def kept_since(database: Database) -> datetime | None:
    """The moment before which messages may be gone; None where all are kept."""
    with database.connect() as connection:
        row = connection.execute(query("kept_since")).fetchone()
    return row[0] if row else None


def _is_kept(row: dict[str, Any], since: datetime | None) -> bool:
    return since is None or row["opened_at"] >= since


def _has_files(row: dict[str, Any], outdir: Path, settings: JobSettings) -> bool:
    """Whether there are files; report.json is the last that is written."""
    folder = broadcast_folder(outdir, row["opened_at"], row["streamer"], row["stream_id"])
    made = [folder / "report.json"]
    if settings.parquet and row["closed_at"] is not None:
        made.append(parquet_path(outdir, row["opened_at"], row["channel_id"], row["stream_id"]))
    return all(path.is_file() for path in made)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, clock_time(), KST)
