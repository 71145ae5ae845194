"""What was collected, for people: from the database, or from a tree of folders."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as clock_time
from itertools import groupby
from pathlib import Path
from typing import Any

from psycopg.rows import dict_row

from analytics.event_lines import Notes, read_lines
from analytics.folder import safe_name
from analytics.language import Language, clock, percent, text
from analytics.loading import find_opened_at
from analytics.subject import parse_time, read_collection_report, stream_id_of
from store.database import Database
from store.errors import NokchartError
from store.event import KST
from store.queries import query

_RULE = "=" * 80


class NoOutputFolder(NokchartError):
    """The output folder does not exist."""


@dataclass(frozen=True)
class Collected:
    """One broadcast, as far as its statistics go."""

    name: str
    """Of its folder: `<streamer>_<stream_id>`."""
    opened_at: datetime
    duration_sec: float
    on_air: bool
    chats: int
    donations: int
    reconnects: int | None
    """None where nobody counted."""
    coverage: float | None
    """Share of the time that was collected, 0 to 1; None where nobody knows."""


def from_database(database: Database, day: date | None) -> list[Collected]:
    """The broadcasts of the database, of one day in Korea or of all, in order."""
    begin = None if day is None else datetime.combine(day, clock_time(), KST)
    with database.connect(row_factory=dict_row) as connection:
        rows: list[dict[str, Any]] = connection.execute(  # type: ignore[assignment]
            query("collected_broadcasts"),
            {"since": begin, "until": None if begin is None else begin + timedelta(days=1)},
        ).fetchall()
    return [
        Collected(
            name=f"{safe_name(row['streamer'])}_{row['stream_id']}",
            opened_at=row["opened_at"],
            duration_sec=row["duration_sec"],
            on_air=row["closed_at"] is None,
            chats=row["chats"],
            donations=row["donations"],
            reconnects=row["reconnects"],
            coverage=_coverage(row["missing_sec"], row["duration_sec"]),
        )
        for row in rows
    ]


def from_folders(output: Path, day: date | None) -> list[Collected]:
    """The broadcasts of an output folder, ours or the old tool's. NoOutputFolder where it does not exist."""
    if not output.is_dir():
        raise NoOutputFolder(f"{output} is no folder: give the output folder of `nokchart watch` or `export`.")
    found = [_from_folder(path.parent) for path in sorted(output.rglob("events.jsonl"))]
    return sorted(
        (one for one in found if one is not None and day in (None, one.opened_at.astimezone(KST).date())),
        key=lambda one: (one.opened_at, one.name),
    )


def as_lines(collected: Iterable[Collected], language: Language, where: str) -> Iterator[str]:
    """The statistics as lines of text, one block a broadcast, under the day it opened in Korea."""
    yield _RULE
    yield f"  {text('stats.title', language)}"
    yield _RULE
    empty = True
    for day, of_day in groupby(collected, key=lambda one: one.opened_at.astimezone(KST).date()):
        empty = False
        yield ""
        yield text("stats.date", language, date=day.isoformat())
        for one in of_day:
            yield from _block(one, language)
    if empty:
        yield ""
        yield text("stats.nothing", language, where=where)


def _block(one: Collected, language: Language) -> Iterator[str]:
    minutes = one.duration_sec / 60
    opened = one.opened_at.astimezone(KST)
    ended = text("stats.on_air", language) if one.on_air else clock(opened + timedelta(seconds=one.duration_sec))
    yield text("stats.folder", language, folder=one.name)
    yield ""
    yield "  " + text("stats.airtime", language, start=clock(opened), end=ended, minutes=minutes)
    yield "  " + text("stats.chats", language, count=one.chats)
    yield "  " + text("stats.donations", language, count=one.donations)
    yield "  " + text("stats.per_minute", language, rate=one.chats / minutes if minutes else 0.0)
    if one.reconnects is not None:
        yield "  " + text("stats.reconnects", language, count=one.reconnects)
    if one.coverage is not None:
        yield "  " + text("stats.coverage", language, coverage=percent(one.coverage))
    yield ""


def _from_folder(folder: Path) -> Collected | None:
    """Of a folder: its collection_report.json where it is ours, else what its events.jsonl tells."""
    report = read_collection_report(folder)
    opened_at = parse_time((report or {}).get("opened_at"))
    if report is not None and opened_at is not None and isinstance(report.get("chat_count"), int):
        coverage, reconnects = _number(report.get("coverage_percent")), _number(report.get("reconnects"))
        return Collected(
            name=folder.name,
            opened_at=opened_at,
            duration_sec=_number(report.get("duration_sec")) or 0,
            on_air=report.get("made_from") == "database" and report.get("closed_at") is None,
            chats=report["chat_count"],
            donations=int(_number(report.get("donation_count")) or 0),
            reconnects=None if reconnects is None else int(reconnects),
            coverage=None if coverage is None else coverage / 100,
        )
    counts = {"chat": 0, "donation": 0}
    last_ms = 0
    for block in read_lines(folder / "events.jsonl", Notes()):
        for line in block.lines:
            counts[line.type] = counts.get(line.type, 0) + 1
            last_ms = max(last_ms, line.t_ms)
    if not any(counts.values()):
        return None
    opened_at, _ = find_opened_at(folder / "events.jsonl", stream_id_of(folder, report))
    return Collected(folder.name, opened_at, last_ms / 1000, False, counts["chat"], counts["donation"], None, None)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _coverage(missing_sec: float | None, duration_sec: float) -> float | None:
    return None if missing_sec is None or duration_sec <= 0 else max(0.0, 1 - missing_sec / duration_sec)
