"""A broadcast that is on air now, for tests of what is seen of it live."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from store.event import event_key
from tests.analytics.sample import add_broadcast

KEYS = 1_000_000_000


def clock_of(connection: psycopg.Connection[Any]) -> datetime:
    """The database's, in UTC."""
    row = connection.execute("SELECT now()").fetchone()
    assert row is not None
    moment: datetime = row[0] if not isinstance(row, dict) else row["now"]
    return moment.astimezone(UTC)


def go_on_air(connection: psycopg.Connection[Any], *, ago_sec: int = 1200, seed: int = 1, **more: Any) -> int:
    """A broadcast that opened so long ago, with about 2 chats a second, donations and people who write much."""
    opened_at = (clock_of(connection) - timedelta(seconds=ago_sec)).replace(microsecond=0)
    number = add_broadcast(connection, opened_at=opened_at, **more)
    luck = random.Random(seed)
    chat = [
        (opened_at + timedelta(milliseconds=luck.randrange(ago_sec * 1000)), f"u{int(luck.expovariate(0.02))}", "안녕")
        for _ in range(2 * ago_sec)
    ]
    say(connection, number, chat)
    gifts = [(opened_at + timedelta(seconds=ago_sec - 100 * index), "anonymous", "후원") for index in range(1, 6)]
    say(connection, number, gifts, kind="donation", amount=1000)
    return number


def erupt(connection: psycopg.Connection[Any], number: int, ago_sec: float, chats: int = 200) -> None:
    """So many people write within ten seconds, that long ago."""
    begin = clock_of(connection) - timedelta(seconds=ago_sec)
    words = ("고점", "고점 ㅋㅋㅋㅋㅋㅋ", "와 고점이다")
    step = timedelta(seconds=10) / chats
    say(connection, number, [(begin + step * index, f"v{index}", words[index % 3]) for index in range(chats)])


def say(
    connection: psycopg.Connection[Any],
    number: int,
    said: list[tuple[datetime, str | None, str]],
    kind: str = "chat",
    amount: int | None = None,
) -> None:
    """(when, who, what), as the writer stores it; the caller commits."""
    rows = []
    for index, (at, user, text) in enumerate(said):
        at = at.replace(microsecond=at.microsecond // 1000 * 1000)
        ts_ms = int(at.timestamp() * 1000)
        rows.append((at, number, kind, event_key(1, user, ts_ms, text, str(index), amount), user, text, amount, "live"))
    columns = "ts, broadcast_id, kind, event_key, user_id, content, amount, source"
    with connection.cursor() as cursor, cursor.copy(f"COPY event ({columns}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
