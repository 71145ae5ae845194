"""Folders of the tool that this one replaces, and our own, into the database."""

from dataclasses import dataclass
from pathlib import Path

from analytics.event_lines import EventsFileError, Notes
from analytics.session import Connection, analysis_session
from analytics.source import Source, load_source
from store.database import Database
from store.queries import query


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
    with analysis_session(database, scratch=True) as connection:
        source = load_source(connection, folder / "events.jsonl", None, whole=True)
        new = _store(connection, source)
    return Imported(folder, source.subject.stream_id, source.notes, new)


def _store(connection: Connection, source: Source) -> int:
    subject = source.subject
    # Without a time or a name there is nothing that two folders could have in common but by accident.
    unknown = source.opened_at_from == "unknown" or subject.streamer is None
    values = {
        "stream_id": subject.stream_id,
        "channel_id": subject.channel_id or f"imported:{subject.stream_id if unknown else subject.streamer}",
        "streamer": subject.streamer,
        "opened_at": subject.opened_at,
        "closed_at": subject.closed_at,
        "title": subject.title,
        "category": subject.category,
    }
    row = None
    while row is None:  # another import may have made it a moment ago: then the next look finds it
        row = connection.execute(query("import_broadcast"), values).fetchone()
    of_broadcast = {"broadcast_id": row["broadcast_id"], "stream_id": subject.stream_id}
    new = connection.execute(query("import_events"), of_broadcast).rowcount
    if row["imported"]:  # of its own broadcasts the collector knows all this better
        connection.execute(query("import_gaps"), of_broadcast)
        connection.execute(query("import_viewers"), of_broadcast)
    if new:
        connection.execute(query("touch_broadcast"), of_broadcast)
    return new
