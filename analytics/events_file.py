"""events.jsonl, written: every event of a broadcast, one a line, in order of time."""

from datetime import datetime
from pathlib import Path

from analytics.folder import complete_file
from analytics.session import Connection
from store.queries import query


def write_events(connection: Connection, path: Path, broadcast_id: int, stream_id: str, opened_at: datetime) -> int:
    """Writes the broadcast's events and returns how many. Streamed: memory does not grow with the broadcast."""
    of_broadcast = {"broadcast_id": broadcast_id, "stream_id": stream_id, "opened_at": opened_at}
    with complete_file(path) as file, connection.cursor() as cursor:
        with cursor.copy(query("copy_event_lines"), of_broadcast) as lines:
            for block in lines:
                file.write(block)
        return cursor.rowcount
