"""Loads an events.jsonl into the session's `event` table, as fast as COPY goes."""

import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from statistics import median_low

import psycopg

from analytics.copy_rows import BriefRows, CopyRows, WholeRows, aware
from analytics.event_lines import EventsFileError, Line, Notes, read_lines
from analytics.session import Connection
from store.event import KST, require_aware
from store.queries import query

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# So many lines tell when the broadcast opened; the median of a thousand is not moved by a few that are wrong.
_SAMPLE_LINES = 1_000


def load_events(connection: Connection, path: Path, opened_at: datetime, *, whole: bool = False) -> tuple[Notes, int]:
    """Loads the sound lines of `path`; second 0 is `opened_at`. Repeated events are loaded once.

    Returns what was wrong with the lines, and how many had a wrong t_ms, which only `whole` looks for.

    `whole` loads what no analysis reads as well: nicknames, arrival times, and what has no column.

    One thread reads and digests while another has the database take in the block before: the time of a load is that of
    the slower of the two. EventsFileError where the file holds no event at all.
    """
    notes = Notes()
    opened_ms = (require_aware(opened_at) - _EPOCH) // timedelta(milliseconds=1)
    rows = WholeRows(opened_ms, counts_seconds(_sample(path))) if whole else BriefRows(opened_ms)
    with _quick_switches(), ThreadPoolExecutor(max_workers=1, thread_name_prefix="copy") as copier:
        running: Future[int] | None = None
        for block in read_lines(path, notes):
            data = rows.rows(block)
            if running is not None:
                notes.repeated += running.result()
            running = copier.submit(_copy_block, connection, rows, data, len(block.lines))
        if running is not None:
            notes.repeated += running.result()
    if notes.used == 0:
        detail = f" ({'; '.join(notes.named)})" if notes.named else ""
        raise EventsFileError(f"{path} holds no event{detail}.")
    connection.execute("ANALYZE event")  # nobody else does it for a temporary table, and plans go wrong without
    return notes, rows.mended if isinstance(rows, WholeRows) else 0


def find_opened_at(path: Path, stream_id: str) -> tuple[datetime, str]:
    """When the broadcast of an events.jsonl opened, and how that is known: from the exactest source there is."""
    sample = _sample(path)
    if sent := _opened(sample, "sent_at"):
        return median_low(sent), "sent_at"
    if (opened_at := _opened_from_name(stream_id)) is not None:
        return opened_at, "stream_id"
    if received := _opened(sample, "received_at"):
        return median_low(received), "received_at"
    return _EPOCH, "unknown"


def counts_seconds(sample: Sequence[Line]) -> bool:
    """Whether t_ms counts seconds, as the old tool once did: by the arrival of lines a minute or more apart."""
    received = [(aware(line.received_at), line.t_ms) for line in sample if line.received_at and not line.sent_at]
    if not received:
        return False
    (first, first_t), (last, last_t) = min(received), max(received)
    passed = (last - first).total_seconds()
    return passed >= 60 and 0.5 * passed <= last_t - first_t <= 2 * passed


@contextmanager
def _quick_switches() -> Iterator[None]:
    """Threads take turns ten times as often: else the database waits for the copier, and that for the interpreter."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(usual / 10)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


def _copy_block(connection: Connection, rows: CopyRows, data: bytes, count: int) -> int:
    """Loads one block. Returns how many of its events were there already."""
    try:
        with connection.transaction(), connection.cursor() as cursor:
            with cursor.copy(query(rows.copy)) as copy:
                copy.write(data)
            return 0
    except psycopg.errors.UniqueViolation:
        # Rare enough that the block is loaded again, the way that can leave out what is there.
        with connection.transaction(), connection.cursor() as cursor:
            cursor.execute(query("create_incoming"))
            cursor.execute("TRUNCATE incoming")
            with cursor.copy(query(rows.copy_repeated)) as copy:
                copy.write(data)
            cursor.execute(query("merge_incoming"))
            return count - cursor.rowcount


def _sample(path: Path) -> list[Line]:
    return list(islice(_lines(path), _SAMPLE_LINES))


def _lines(path: Path) -> Iterator[Line]:
    for block in read_lines(path, Notes()):
        yield from block.lines


def _opened(lines: Sequence[Line], name: str) -> list[datetime]:
    """What the lines that have the field `name` make of the broadcast's start."""
    unit = 1000 if counts_seconds(lines) else 1
    found = []
    for line in lines:
        moment: datetime | None = getattr(line, name)
        # A clock that was never set says year 1 or 9999, and those have no neighbours.
        if moment is not None and 1970 < moment.year < 9999:
            opened = aware(moment) - timedelta(milliseconds=line.t_ms * unit)
            found.append(opened.replace(microsecond=opened.microsecond // 1000 * 1000))
    return found


def _opened_from_name(stream_id: str) -> datetime | None:
    try:
        # The zone is known, and not in the text.
        naive = datetime.strptime(stream_id[:15], "%Y%m%d-%H%M%S")  # noqa: DTZ007
        return naive.replace(tzinfo=KST).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
