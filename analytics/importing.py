"""Folders of the tool that this one replaces, and our own, into the database."""

from dataclasses import dataclass
from pathlib import Path

from analytics.event_lines import EventsFileError, Notes
from analytics.exporting import kept_since
from analytics.session import Connection, analysis_session
from analytics.source import Source, identify, load_source
from store.database import Database
from store.errors import NokchartError
from store.event import KST
from store.queries import query


@dataclass(frozen=True)
class Imported:
    """What became of one folder."""

    folder: Path
    stream_id: str
    notes: Notes
    new: int
    """Events that were not in the database."""
    mended_times: int
    """Events whose t_ms was wrong: their time is when they were received."""


class ImportRefused(NokchartError):
    """A folder is not imported."""


def find_folders(root: Path) -> list[Path]:
    """Every folder at or below `root` that holds an events.jsonl. EventsFileError where there is none."""
    folders = sorted(path.parent for path in root.rglob("events.jsonl"))
    if not folders:
        raise EventsFileError(f"{root} holds no events.jsonl, nor does any folder below it.")
    return folders


def import_folder(database: Database, folder: Path, *, force: bool = False) -> Imported:
    """Stores the events of a folder as a broadcast. Importing it again, or after it was collected, changes nothing.

    ImportRefused where the database would soon forget them, except with `force`; EventsFileError as load_source.
    """
    known, since = identify(folder / "events.jsonl", None), kept_since(database)
    if since is not None and known.subject.opened_at < since and not force:
        raise ImportRefused(
            f"it is of {known.subject.opened_at.astimezone(KST):%Y-%m-%d}, and messages from before "
            f"{since.astimezone(KST):%Y-%m-%d} are not kept: raise keep_events_days, or use --force."
        )
    with analysis_session(database, scratch=True) as connection:
        source = load_source(connection, folder / "events.jsonl", None, whole=True)
        stream_id, new = _store(connection, source)
    return Imported(folder, stream_id, source.notes, new, source.mended_times)


def _store(connection: Connection, source: Source) -> tuple[str, int]:
    subject = source.subject
    stream_id = subject.stream_id
    other = connection.execute(
        query("imported_otherwise"), {"stream_id": stream_id, "opened_at": subject.opened_at}
    ).fetchone()
    if other is not None and source.opened_at_from != "unknown":
        # Some of the old tool's ids were a channel's: the same for each of its broadcasts.
        stream_id = f"{stream_id}_{subject.opened_at.astimezone(KST):%Y%m%d}"
    # Without a time or a name there is nothing that two folders could have in common but by accident.
    unknown = source.opened_at_from == "unknown" or subject.streamer is None
    values = {
        "stream_id": stream_id,
        "channel_id": subject.channel_id or f"imported:{stream_id if unknown else subject.streamer}",
        "streamer": subject.streamer,
        "opened_at": subject.opened_at,
        "closed_at": subject.closed_at,
        "title": subject.title,
        "category": subject.category,
    }
    row = None
    while row is None:  # another import may have made it a moment ago: then the next look finds it
        row = connection.execute(query("import_broadcast"), values).fetchone()
    of_broadcast = {"broadcast_id": row["broadcast_id"], "stream_id": stream_id}
    new = connection.execute(query("import_events"), of_broadcast).rowcount
    if row["imported"]:  # of its own broadcasts the collector knows all this better
        connection.execute(query("import_gaps"), of_broadcast)
        connection.execute(query("import_viewers"), of_broadcast)
    if new:
        connection.execute(query("touch_broadcast"), of_broadcast)
    return stream_id, new
