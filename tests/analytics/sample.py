"""Small broadcasts for tests, as the lines of a file and as rows of the database."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from store.event import event_key, stream_id

OPENED = datetime(2026, 1, 6, 12, 0, tzinfo=UTC)
CHANNEL = "0123456789abcdef0123456789abcdef"


def line(
    t_ms: int, text: str | None = "ㅋㅋㅋ", user: str | None = "시청자", kind: str = "chat", **more: Any
) -> dict[str, Any]:
    """A line of the old tool's events.jsonl."""
    received = (OPENED + timedelta(milliseconds=t_ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "stream_id": "S123",
        "type": kind,
        "t_ms": t_ms,
        "user": user,
        "text": text,
        "received_at": received,
        **more,
    }


def write_events(folder: Path, lines: Iterable[dict[str, Any] | str | bytes], end: bytes = b"\n") -> Path:
    """Writes events.jsonl into `folder`; what is no dict is written as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    data = [
        json.dumps(one, ensure_ascii=False).encode()
        if isinstance(one, dict)
        else one
        if isinstance(one, bytes)
        else one.encode()
        for one in lines
    ]
    (folder / "events.jsonl").write_bytes(end.join(data) + end)
    return folder


def minutes_of(*counts: int) -> list[dict[str, Any]]:
    """So many chats in each minute, spread over it, each by somebody else."""
    return [
        line(60_000 * minute + 60_000 * number // count, text=f"{minute}-{number}", user=f"u{number}")
        for minute, count in enumerate(counts)
        for number in range(count)
    ]


def add_broadcast(
    connection: psycopg.Connection[Any],
    *,
    channel_id: str = CHANNEL,
    name: str | None = "미라이",
    opened_at: datetime = OPENED,
    closed_at: datetime | None = None,
) -> int:
    """A broadcast as the collector opens it. Returns its number; the caller commits."""
    connection.execute(
        "INSERT INTO channel (channel_id, name) VALUES (%s, %s) ON CONFLICT DO NOTHING", (channel_id, name)
    )
    row = connection.execute(
        "INSERT INTO broadcast (stream_id, channel_id, opened_at, closed_at, title) "
        "VALUES (%s, %s, %s, %s, '제목') RETURNING broadcast_id",
        (stream_id(channel_id, opened_at), channel_id, opened_at, closed_at),
    ).fetchone()
    assert row is not None
    return int(row[0])


def add_event(
    connection: psycopg.Connection[Any],
    broadcast_id: int,
    ts: datetime,
    text: str | None = "ㅋㅋㅋ",
    *,
    kind: str = "chat",
    user_id: str | None = "u1",
    nickname: str | None = "시청자",
    amount: int | None = None,
    hidden: bool = False,
    extra: dict[str, Any] | None = None,
    source: str = "live",
) -> None:
    """A message as the writer stores it; a second delivery changes nothing."""
    code = {"chat": 1, "donation": 10, "subscription": 11, "system": 30}.get(kind, (extra or {}).get("type", 0))
    ts_ms = (ts - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    key = event_key(code, user_id, ts_ms, text, (extra or {}).get("id"), amount)
    connection.execute(
        "INSERT INTO event VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (
            *(ts, broadcast_id, kind, key, user_id, nickname, text, amount, hidden, source),
            ts + timedelta(milliseconds=40),
            None if extra is None else json.dumps(extra),
        ),
    )


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file below `folder`, hidden ones included, with its bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def table_counts(connection: psycopg.Connection[Any]) -> dict[str, int]:
    """The number of rows of every table."""
    names = connection.execute(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
    ).fetchall()
    return {
        name: connection.execute(f'SELECT count(*) FROM public."{name}"').fetchone()[0]  # noqa: S608 - our own tables
        for (name,) in names
    }
