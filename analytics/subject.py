"""What is analysed: one broadcast, from the database or from a folder."""

import re
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from analytics.series import Span
from analytics.session import SCRATCH_ID, Connection
from store.queries import query
from store.text import clean_text, load_json

_REPORT = "collection_report.json"
_OPENED = re.compile(r"\d{8}-\d{6}")
_LONGEST_LINE = 1 << 20


@dataclass(frozen=True)
class Subject:
    """A broadcast, as far as it is known. Times are aware."""

    broadcast_id: int
    stream_id: str
    opened_at: datetime
    channel_id: str | None = None
    streamer: str | None = None
    title: str | None = None
    category: str | None = None
    closed_at: datetime | None = None
    close_cause: str | None = None

    @staticmethod
    def from_row(row: dict[str, Any]) -> "Subject":
        """Of a row of the query one_broadcast."""
        return Subject(**{field.name: row[field.name] for field in fields(Subject)})

    @staticmethod
    def from_folder(folder: Path, stream_id: str, opened_at: datetime, report: dict[str, Any] | None) -> "Subject":
        """Of a folder: what its collection_report.json tells, else what its name does."""
        known = report or {}
        name = folder.resolve().name
        named = name.removesuffix(f"_{stream_id}")
        return Subject(
            SCRATCH_ID,
            stream_id,
            opened_at,
            channel_id=_text(known.get("channel_id")),
            streamer=_text(known.get("streamer")) or (named if named != name else None),
            title=_text(known.get("title")),
            category=_text(known.get("category")),
            closed_at=parse_time(known.get("closed_at")),
            close_cause=_text(known.get("close_cause")),
        )

    def span(self, connection: Connection) -> Span:
        """From second 0 to the end of the broadcast, or to its last message where that is later."""
        row = connection.execute(query("event_span"), {"broadcast_id": self.broadcast_id}).fetchone()
        second = timedelta(seconds=1)
        closed = 0 if self.closed_at is None else -((self.opened_at - self.closed_at) // second)  # rounded up
        last = row["last_ts"] if row else None
        # The last message lies in the last second, and the end of the broadcast ends it.
        return Span(self.opened_at, max(1, closed, 0 if last is None else (last - self.opened_at) // second + 1))


def read_collection_report(folder: Path) -> dict[str, Any] | None:
    """The folder's collection_report.json, or None where there is none that can be read."""
    try:
        report = orjson.loads((folder / _REPORT).read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None
    return report if isinstance(report, dict) else None


def parse_time(value: Any) -> datetime | None:
    """An ISO 8601 time with a zone, as UTC; None for anything else."""
    try:
        moment = datetime.fromisoformat(value)
        return None if moment.tzinfo is None else moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):  # the last: year 1, and a zone
        return None


def stream_id_of(folder: Path, report: dict[str, Any] | None) -> str:
    """The stream of a folder `<streamer>_<stream_id>`: as its report, its first event or its name tell."""
    name = folder.resolve().name
    if known := _text((report or {}).get("stream_id")):
        return clean_text(known)
    try:
        with (folder / "events.jsonl").open("rb") as file:
            first = load_json(file.readline(_LONGEST_LINE).removeprefix(b"\xef\xbb\xbf"))
    except OSError:
        first = None
    written = _text(first.get("stream_id")) if isinstance(first, dict) else None
    # Only where the name agrees: folders may well share an id that somebody wrote into all of them.
    if written is not None and (name == written or name.endswith(f"_{written}")):
        return clean_text(written)
    parts = name.rsplit("_", 2)
    if len(parts) == 3 and _OPENED.fullmatch(parts[1]):
        return f"{parts[1]}_{parts[2]}"
    return name


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
