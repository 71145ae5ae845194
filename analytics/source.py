"""A folder with an events.jsonl, as what an analysis starts from: its rows in scratch tables, and what it tells."""

import csv
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from analytics.event_lines import EventsFileError, Notes
from analytics.loading import find_opened_at, load_events
from analytics.series import Span
from analytics.session import SCRATCH_ID, Connection
from analytics.subject import Subject, parse_time, read_collection_report, stream_id_of
from store.queries import query

_DERIVED = "events.jsonl"
"""`made_from` of a collection_report.json that was itself made from the events: it knows nothing that they do not."""


@dataclass(frozen=True)
class Identity:
    """Which broadcast a folder is of, before any of its events are loaded."""

    subject: Subject
    opened_at_from: str
    """How second 0 is known: a file's name, or the field of the events that tells it."""
    report: dict[str, Any] | None
    """Its collection_report.json, where that is of the collection itself, and knows more than the events do."""


@dataclass(frozen=True)
class Source:
    """What a folder holds."""

    subject: Subject
    span: Span
    notes: Notes
    opened_at_from: str
    collected: bool
    """Its collection_report.json is of the collection itself."""
    mended_times: int
    """Events whose t_ms is wrong, by their received_at; only looked for where they are loaded whole."""


def identify(events: Path, stream_id: str | None) -> Identity:
    """What the folder of an events.jsonl says of itself. EventsFileError where the file is missing."""
    if not events.is_file():
        raise EventsFileError(f"{events.parent} has no {events.name}: give a folder that holds one.")
    folder = events.parent
    report = read_collection_report(folder)
    stream_id = stream_id or stream_id_of(folder, report)
    if report is not None and report.get("made_from") == _DERIVED:
        report = None  # else a second run would start from what the first one made
    opened_at, opened_at_from = parse_time((report or {}).get("opened_at")), "collection_report.json"
    if opened_at is None:
        opened_at, opened_at_from = find_opened_at(events, stream_id)
    return Identity(Subject.from_folder(folder, stream_id, opened_at, report), opened_at_from, report)


def load_source(connection: Connection, events: Path, stream_id: str | None, *, whole: bool = False) -> Source:
    """Loads an events.jsonl, and what lies beside it, into the session's scratch tables.

    `stream_id`: None for what the folder says. EventsFileError where the file is missing or holds no event.
    """
    known = identify(events, stream_id)
    subject, report = known.subject, known.report
    notes, mended = load_events(connection, events, subject.opened_at, whole=whole)
    _load_gaps(connection, report)
    if report is not None:
        _load_viewers(connection, events.parent / "chat_ts_1s.csv", subject)
    return Source(subject, subject.span(connection), notes, known.opened_at_from, report is not None, mended)


def _load_gaps(connection: Connection, report: dict[str, Any] | None) -> None:
    """The gaps that a collection_report.json tells of, so that the series marks them again."""
    gaps = (report or {}).get("gaps")
    for gap in gaps if isinstance(gaps, list) else []:
        if not isinstance(gap, dict):
            continue
        begin, end = parse_time(gap.get("from")), parse_time(gap.get("to"))
        if begin is not None and end is not None and end >= begin:
            connection.execute(
                query("insert_scratch_gap"),
                {
                    "broadcast_id": SCRATCH_ID,
                    "from_ts": begin,
                    "to_ts": end,
                    "cause": str(gap.get("cause")),
                    "repaired_at": end if gap.get("repaired") else None,
                },
            )


def _load_viewers(connection: Connection, series: Path, subject: Subject) -> None:
    """The viewers that the series of the collection tells of: they are in no other file, and would be lost."""
    try:
        with series.open(encoding="utf-8-sig", newline="") as file:
            samples = [
                (int(row["sec"]), int(float(row["viewers"]))) for row in csv.DictReader(file) if row.get("viewers")
            ]
        moments = [subject.opened_at + timedelta(seconds=sec) for sec, _ in samples]
    except (OSError, ValueError, KeyError, TypeError, OverflowError, csv.Error):
        return  # somebody else's file: then there are none
    connection.execute(
        query("insert_scratch_viewers"),
        {"broadcast_id": SCRATCH_ID, "ts": moments, "viewers": [viewers for _, viewers in samples]},
    )
