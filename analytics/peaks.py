"""The peaks of a series: found by the functions in sql/schema/views/20_peaks.sql, and written as peaks.json."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import psycopg

from analytics.session import Connection
from store.queries import query

# An editor's clip starts a little before the chat erupts: people write after they have seen.
CLIP_LEAD_SEC = 20


@dataclass(frozen=True)
class PeakSettings:
    """What counts as a peak; see docs/peaks.md."""

    window_sec: int = 60
    topk: int = 50
    min_gap_sec: int = 120
    false_alarms: float | None = 0.5
    """How many windows may be called a peak by chance in a broadcast; None: every window may."""
    surge_threshold: float = 4.5
    surge_topk: int = 100
    surge_min_gap_sec: int = 60


@dataclass(frozen=True)
class Peaks:
    """Both lists, best first. Each entry has the columns of `volume_peaks` and `surge_peaks`."""

    volume: list[dict[str, Any]]
    surge: list[dict[str, Any]]


def find_peaks(connection: Connection, settings: PeakSettings) -> Peaks:
    """The peaks of the session's series of one second."""
    volume = connection.execute(
        query("find_volume_peaks"),
        {
            "window_sec": settings.window_sec,
            "min_gap_sec": settings.min_gap_sec,
            "topk": settings.topk,
            "false_alarms": settings.false_alarms,
        },
    ).fetchall()
    surge = connection.execute(
        query("find_surge_peaks"),
        {
            "min_gap_sec": settings.surge_min_gap_sec,
            "topk": settings.surge_topk,
            "threshold": settings.surge_threshold,
        },
    ).fetchall()
    return Peaks(volume, surge)


def with_video(connection: Connection, broadcast_id: int, opened_at: datetime, peaks: Peaks) -> Peaks:
    """The peaks, each with `video_url`: where its clip begins in the broadcast's video; None: not known."""
    starts = {_clip_start(entry) for entry in (*peaks.volume, *peaks.surge)}
    rows = connection.execute(
        query("video_urls"), {"broadcast_id": broadcast_id, "opened_at": opened_at, "seconds": list(starts)}
    )
    urls = {row["sec"]: row["url"] for row in rows}

    def linked(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**entry, "video_url": urls[_clip_start(entry)]} for entry in entries]

    return Peaks(linked(peaks.volume), linked(peaks.surge))


def store_peaks(connection: psycopg.Connection[Any], broadcast_id: int, peaks: Peaks) -> None:
    """Replaces the broadcast's rows in `peak`."""
    connection.execute(query("delete_peaks"), {"broadcast_id": broadcast_id})
    with connection.cursor() as cursor:
        for method, entries in (("volume", peaks.volume), ("surge", peaks.surge)):
            cursor.executemany(
                query("insert_peak"),
                [{**entry, "broadcast_id": broadcast_id, "method": method} for entry in entries],
            )


def peaks_content(stream_id: str, peaks: Peaks, settings: PeakSettings) -> dict[str, Any]:
    """What peaks.json says."""
    return {
        "stream_id": stream_id,
        "window_sec": settings.window_sec,
        "peaks": [_for_people(entry) for entry in peaks.volume],
        "surges": [_for_people(entry) for entry in peaks.surge],
        "settings": asdict(settings),
    }


def clock_text(seconds: int) -> str:
    """Seconds of broadcast time as HH:MM:SS; hours go on beyond 99."""
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _clip_start(entry: dict[str, Any]) -> int:
    return max(0, int(entry["onset_sec"]) - CLIP_LEAD_SEC)


def _for_people(entry: dict[str, Any]) -> dict[str, Any]:
    return {
        "start_sec": entry["start_sec"],
        "end_sec": entry["end_sec"],
        "value": entry["value"],
        "rank": entry["rank"],
        "start_time": clock_text(entry["start_sec"]),
        "end_time": clock_text(entry["end_sec"]),
        "onset_sec": entry["onset_sec"],
        "clip_start_sec": _clip_start(entry),
        "video_url": entry.get("video_url"),
        "score": round(entry["score"], 3),
        "in_gap": entry["in_gap"],
        "reasons": entry["reasons"],
    }
