"""What each segment of a broadcast was about: for now, what was written most often in its busiest minute."""

from typing import Any

from analytics.peaks import clock_text
from analytics.series import Span
from analytics.session import Connection
from store.queries import query

SEGMENT_SEC = 600
SAMPLES = 5


def find_topics(connection: Connection, stream_id: str, broadcast_id: int, span: Span) -> dict[str, Any]:
    """What topics.json says: one entry a segment of ten minutes, silent ones included, with its sample chats."""
    rows = connection.execute(
        query("sample_chats"),
        {
            "broadcast_id": broadcast_id,
            "opened_at": span.opened_at,
            "segment_sec": SEGMENT_SEC,
            "samples": SAMPLES,
        },
    ).fetchall()
    segments: list[dict[str, Any]] = []
    for start in range(0, span.length_sec, SEGMENT_SEC):
        end = min(start + SEGMENT_SEC, span.length_sec)
        segments.append(
            {
                "start_sec": start,
                "end_sec": end,
                "start_time": clock_text(start),
                "end_time": clock_text(end),
                "sample_chats": [
                    {"text": row["text"], "count": row["chats"]}
                    for row in rows
                    if row["segment"] == start // SEGMENT_SEC
                ],
            }
        )
    return {"stream_id": stream_id, "segment_sec": SEGMENT_SEC, "segments": segments}
