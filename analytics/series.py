"""The series of a broadcast: chats by the second, the minute and five minutes of broadcast time."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from analytics.folder import complete_file
from analytics.session import Connection
from store.queries import query

BUCKETS_SEC = (1, 60, 300)


@dataclass(frozen=True)
class Span:
    """The part of time that a series covers."""

    opened_at: datetime
    """Second 0, aware."""
    length_sec: int


def fill_series(connection: Connection, broadcast_id: int, span: Span, rolling_sec: int) -> None:
    """Computes the session's series of all widths from the session's events."""
    of_span = {"broadcast_id": broadcast_id, "opened_at": span.opened_at}
    connection.execute(query("create_second"))
    connection.execute(query("fill_second"), of_span)
    for bucket_sec in BUCKETS_SEC:
        connection.execute(
            query("fill_series"),
            {
                **of_span,
                "bucket_sec": bucket_sec,
                "length_sec": span.length_sec,
                "rolling_before": max(1, rolling_sec // bucket_sec) - 1,
            },
        )
    connection.execute("ANALYZE series")


def write_series(connection: Connection, folder: Path, span: Span, rolling_sec: int) -> list[Path]:
    """Writes chat_ts_1s.csv, chat_ts_60s.csv and chat_ts_300s.csv. OutputError where they cannot be written."""
    # Rows start at opened_at plus whole seconds: its fraction, if it has one, is in every row.
    clock = 'YYYY-MM-DD"T"HH24:MI:SS' + (".MS" if span.opened_at.microsecond else "")
    header = (
        f"sec,chat_count,timestamp,chat_count_rolling_{rolling_sec}s,donation_count,chatters,viewers,in_gap,crowd\n"
    )
    written = []
    for bucket_sec in BUCKETS_SEC:
        path = folder / f"chat_ts_{bucket_sec}s.csv"
        with complete_file(path) as file, connection.cursor() as cursor:
            file.write(header.encode())
            with cursor.copy(query("copy_series"), {"bucket_sec": bucket_sec, "clock": clock}) as rows:
                for block in rows:
                    file.write(block)
        written.append(path)
    return written


def read_columns(connection: Connection, bucket_sec: int = 1) -> dict[str, list[Any]]:
    """The session's series of one width, for charts: sec, chat_count, donation_count, viewers, in_gap, each a list."""
    return connection.execute(query("read_series"), {"bucket_sec": bucket_sec}).fetchone() or {}
