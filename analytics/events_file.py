"""events.jsonl, written: every event of a broadcast, one a line, in order of time."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from analytics.folder import complete_file
from analytics.session import Connection
from store.queries import query

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FETCH_ROWS = 5_000


def write_events(connection: Connection, path: Path, broadcast_id: int, stream_id: str, opened_at: datetime) -> int:
    """Writes the broadcast's events and returns how many. Streamed: memory does not grow with the broadcast."""
    opened_ms = (opened_at - _EPOCH) // timedelta(milliseconds=1)
    count = 0
    with complete_file(path) as file, connection.cursor(name="all_events") as cursor:
        cursor.itersize = _FETCH_ROWS
        cursor.execute(query("all_events"), {"broadcast_id": broadcast_id})
        for row in cursor:
            file.write(orjson.dumps(_line(row, stream_id, opened_ms), option=orjson.OPT_APPEND_NEWLINE))
            count += 1
    return count


def _line(row: dict[str, Any], stream_id: str, opened_ms: int) -> dict[str, Any]:
    """One line: the keys of the tool that this one replaces, in its order, then those that are new."""
    line: dict[str, Any] = {
        "stream_id": stream_id,
        "type": row["kind"],
        "t_ms": row["ts_ms"] - opened_ms,
        "user": row["nickname"],
        "text": row["content"],
        "received_at": _iso(row["received_ms"] if row["received_ms"] is not None else row["ts_ms"]),
    }
    if row["amount"] is not None:
        line["amount"] = row["amount"]
    line.update(user_id=row["user_id"], sent_at=_iso(row["ts_ms"]), hidden=row["hidden"], source=row["source"])
    if row["extra"] is not None:
        line["extra"] = orjson.Fragment(row["extra"])
    return line


def _iso(ms: int) -> str:
    return (_EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
