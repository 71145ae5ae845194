"""Folders of the tool that this one replaces, and our own, into the database."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sql
from analytics.event_lines import EventsFileError, Notes
from analytics.loading import find_opened_at, load_events
from analytics.session import Connection, analysis_session
from analytics.subject import Subject, parse_time, read_collection_report
from store.database import Database


@dataclass(frozen=True)
class Imported:
    """What became of one folder."""

    folder: Path
    stream_id: str
    notes: Notes
    new: int
    """Events that were not in the database."""


def find_folders(root: Path) -> list[Path]:
    """Every folder at or below `root` that holds an events.jsonl. EventsFileError where there is none."""
    folders = sorted(path.parent for path in root.rglob("events.jsonl"))
    if not folders:
        raise EventsFileError(f"{root} holds no events.jsonl, nor does any folder below it.")
    return folders


def import_folder(database: Database, folder: Path) -> Imported:
    """Stores the events of a folder as a broadcast. Importing it again, or after it was collected, changes nothing."""
    events = folder / "events.jsonl"
    report = read_collection_report(folder)
    stream_id = str((report or {}).get("stream_id") or _stream_id(folder))
    opened_at = parse_time((report or {}).get("opened_at")) or find_opened_at(events, stream_id)[0]
    subject = Subject.from_folder(folder, stream_id, opened_at, report)
    with analysis_session(database, scratch=True) as connection:
        notes = load_events(connection, events, subject.broadcast_id, opened_at, whole=True)
        new = _store(connection, subject, opened_at)
    return Imported(folder, stream_id, notes, new)


def _store(connection: Connection, subject: Subject, opened_at: datetime) -> int:
    row = connection.execute(
        sql.query("import_broadcast"),
        {
            "stream_id": subject.stream_id,
            "channel_id": subject.channel_id or f"imported:{subject.streamer}",
            "streamer": subject.streamer,
            "opened_at": opened_at,
            "closed_at": subject.closed_at,
            "title": subject.title,
            "category": subject.category,
        },
    ).fetchone()
    assert row is not None
    cursor = connection.execute(sql.query("import_events"), {"broadcast_id": row["broadcast_id"]})
    return cursor.rowcount


def _stream_id(folder: Path) -> str:
    """The last part of `<streamer>_<stream_id>` where that is one of ours, else the whole name."""
    name = folder.resolve().name
    parts = name.rsplit("_", 2)
    if len(parts) == 3 and len(parts[1]) == 15 and parts[1][8] == "-":
        return f"{parts[1]}_{parts[2]}"
    return name
