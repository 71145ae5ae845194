"""Months of broadcasts, made inside the database: rows that weigh what real ones do, at the pace of INSERT .. SELECT.

Each channel has a broadcast a day, of six to eight hours, from the same hour on; that of the last day is on air. Its
chat erupts every few minutes, a few of its chatters write much and most write little, one in five lines is a laugh.
"""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from psycopg import Connection

from simulator.vocabulary import calm_line

_LINES = 4_000
_DONATIONS = 0.003  # of all messages

# Chats a second. The k-th channel has a k-th of the popular one's, as channels are in fact.
_POPULAR = 25.0
_QUIETEST = 2.0

_EVENTS = """
INSERT INTO event (
    ts, broadcast_id, kind, event_key, user_id, nickname, content, amount, hidden, source, received_at, extra
)
SELECT
    m.ts, %(broadcast_id)s, m.kind, (random() * 9e18)::bigint,
    CASE WHEN m.kind = 'donation' THEN 'anonymous' ELSE md5(%(channel_id)s || m.author) END,
    CASE WHEN m.kind = 'donation' THEN '익명의 후원자' ELSE '시청자' || m.author END,
    l.text,
    CASE WHEN m.kind = 'donation' THEN 1000 * (1 + floor(random() ^ 3 * 50)::int) END,
    random() < 0.02, 'live', m.ts + (40 + 60 * random()) * interval '1 millisecond',
    CASE WHEN m.kind = 'donation' THEN '{"payType": "CURRENCY", "isAnonymous": true}'::jsonb ELSE '{"osType": "PC"}' END
FROM (
    SELECT
        date_trunc('milliseconds', %(from_ts)s::timestamptz + (s.sec + random()) * interval '1 second') AS ts,
        CASE WHEN random() < %(donations)s THEN 'donation' ELSE 'chat' END AS kind,
        floor(%(chatters)s * random() ^ 3)::int AS author,
        floor(random() * %(line_count)s)::int AS line
    FROM generate_series(0, %(seconds)s - 1) AS s (sec)
    CROSS JOIN LATERAL generate_series(
        -- a Poisson count would cost more and show nothing more; the eruption fades within a minute, and the mean is 1
        1, floor(%(rate)s * (0.893 + 3 * exp(-(s.sec %% 421) / 15.0)) * 2 * random() + random())::int
    )
) AS m
INNER JOIN line AS l ON m.line = l.line
"""

_BROADCAST = """
INSERT INTO broadcast (stream_id, channel_id, opened_at, closed_at, close_cause, title, category, exported_at)
VALUES (
    %(channel_id)s || '_' || %(day)s, %(channel_id)s, %(opened_at)s, %(closed_at)s,
    CASE WHEN %(closed_at)s::timestamptz IS NOT NULL THEN 'closed' END, '오늘도 달려봅시다', '종합 게임', %(closed_at)s
)
RETURNING broadcast_id
"""

# What else a broadcast leaves: viewers every half minute, a change, connections, a gap now and then, and its peaks.
_REST = (
    """
    INSERT INTO viewer_sample (ts, broadcast_id, viewers)
    SELECT %(opened_at)s::timestamptz + s * interval '1 second', %(broadcast_id)s, 1000 + floor(random() * 200)::int
    FROM generate_series(0, %(seconds)s - 1, 30) AS s
    """,
    """
    INSERT INTO broadcast_change (ts, broadcast_id, title, category)
    SELECT %(opened_at)s::timestamptz + s * interval '1 hour', %(broadcast_id)s, '제목 ' || s, '게임 ' || s
    FROM generate_series(0, 4, 2) AS s
    """,
    """
    INSERT INTO connection (connection_id, broadcast_id, connected_at, disconnected_at, cause)
    SELECT
        gen_random_uuid(), %(broadcast_id)s, %(opened_at)s::timestamptz + s * interval '2 hours',
        CASE WHEN s < 2 THEN %(opened_at)s::timestamptz + (s + 1) * interval '2 hours' ELSE %(closed_at)s END,
        'close 1006'
    FROM generate_series(0, 2) AS s
    """,
    """
    INSERT INTO gap (gap_id, broadcast_id, from_ts, to_ts, cause)
    SELECT
        gen_random_uuid(), %(broadcast_id)s, %(opened_at)s::timestamptz + s * interval '2 hours',
        %(opened_at)s::timestamptz + s * interval '2 hours' + interval '20 seconds', 'close 1006'
    FROM generate_series(1, 2) AS s
    WHERE random() < 0.3
    """,
    """
    INSERT INTO peak (
        broadcast_id, method, rank, start_sec, end_sec, onset_sec, value, score, in_gap, reasons
    )
    SELECT
        %(broadcast_id)s, m.method, s, s * 421, s * 421 + 60, s * 421, 500 + floor(random() * 500)::int,
        5 + 10 * random(), false, ARRAY['3.0 times the usual', 'many at once']
    FROM (VALUES ('volume'), ('surge')) AS m (method)
    CROSS JOIN generate_series(1, 50) AS s
    WHERE %(closed_at)s::timestamptz IS NOT NULL
    """,
    """
    INSERT INTO broadcast_total
    SELECT
        %(broadcast_id)s, count(*) FILTER (WHERE kind = 'chat'), count(*) FILTER (WHERE kind = 'donation'),
        coalesce(sum(amount) FILTER (WHERE kind = 'donation'), 0),
        count(DISTINCT user_id) FILTER (WHERE kind = 'chat'), max(ts), now()
    FROM event
    WHERE
        broadcast_id = %(broadcast_id)s
        AND ts >= %(opened_at)s
        AND ts < %(closed_at)s::timestamptz + interval '1 second'
    HAVING %(closed_at)s::timestamptz IS NOT NULL
    """,
)

_ON_AIR = "SELECT broadcast_id FROM broadcast WHERE channel_id = %s AND closed_at IS NULL"

_COLLECTOR = """
INSERT INTO collector_status (
    collector_id, started_at, heartbeat_at, channels, live, events, rejected, queued, last_commit_at
)
VALUES ('bench', %(now)s, %(now)s, %(channels)s, %(channels)s, 0, 0, 0, %(now)s)
"""


@dataclass(frozen=True)
class History:
    """What is made."""

    days: int
    channels: int
    mean_rate: float
    """Chats a second of a channel on air, the mean of all."""
    now: datetime
    """The moment at which the last broadcasts are on air."""
    hours: float = 6.0
    """So long ago these have begun."""

    def rates(self) -> list[float]:
        """Chats a second of each channel: a popular one and ever quieter ones, with the mean that is wanted."""
        shape = [max(_POPULAR / (nth + 1), _QUIETEST) for nth in range(self.channels)]
        return [rate * self.mean_rate * self.channels / sum(shape) for rate in shape]


def now() -> datetime:
    """This second."""
    return datetime.now(UTC).replace(microsecond=0)


def channel_id(nth: int) -> str:
    """32 characters, as Chzzk's are."""
    return f"{nth:032x}"


def prepare(connection: Connection[tuple[object, ...]], history: History) -> None:
    """Makes the channels, and what is said, for `fill_day` on the same connection."""
    chance = random.Random("history")
    connection.execute("CREATE TEMPORARY TABLE line (line integer, text text)")
    with connection.cursor().copy("COPY line FROM STDIN") as copy:
        for nth in range(_LINES):
            copy.write_row((nth, calm_line(chance)))
    connection.execute("ANALYZE line")
    for nth in range(history.channels):
        name = f"채널 {nth + 1}"
        connection.execute("INSERT INTO channel (channel_id, name) VALUES (%s, %s)", (channel_id(nth), name))
    connection.execute(_COLLECTOR, {"now": history.now, "channels": history.channels})


def fill_day(connection: Connection[tuple[object, ...]], history: History, day: int) -> None:
    """Makes the broadcasts of one day; 0 is the one on which they are on air. `connection` is in autocommit mode."""
    chance = random.Random(f"history/{day}")
    for nth in range(history.channels):
        opened_at = history.now - timedelta(days=day, hours=history.hours) + timedelta(minutes=10 * nth)
        seconds = chance.randrange(int(history.hours * 3600), int(history.hours * 4800))
        values: dict[str, object] = {
            "channel_id": channel_id(nth),
            "day": opened_at.strftime("%Y%m%d"),
            "opened_at": opened_at,
            "closed_at": opened_at + timedelta(seconds=seconds) if day else None,
            "seconds": seconds if day else int((history.now - opened_at).total_seconds()),
        }
        with connection.transaction():
            (values["broadcast_id"],) = connection.execute(_BROADCAST, values).fetchone() or (None,)
            connection.execute(_EVENTS, values | _manner(history, nth) | {"from_ts": opened_at})
            for statement in _REST:
                connection.execute(statement, values)


def add_messages(connection: Connection[tuple[object, ...]], history: History, from_ts: datetime, seconds: int) -> None:
    """Lets the channels on air go on for so long."""
    for nth in range(history.channels):
        (broadcast_id,) = connection.execute(_ON_AIR, (channel_id(nth),)).fetchone() or (None,)
        values = {"channel_id": channel_id(nth), "broadcast_id": broadcast_id, "from_ts": from_ts, "seconds": seconds}
        connection.execute(_EVENTS, values | _manner(history, nth))


def _manner(history: History, nth: int) -> dict[str, object]:
    """How a channel's chat is."""
    rate = history.rates()[nth]
    return {"rate": rate, "chatters": int(600 * rate), "donations": _DONATIONS, "line_count": _LINES}
