"""A small world for the dashboards: three channels, broadcasts that have ended, two on air. The same in every database."""

from datetime import UTC, datetime, timedelta

from store.database import Database

NOW = datetime.now(UTC).replace(second=0, microsecond=0)
CHANNELS = tuple(f"{number:032x}" for number in range(3))
ENDED = NOW - timedelta(days=1, hours=3)  # when the ended broadcasts opened
ENDED_LENGTH = timedelta(hours=2)
ON_AIR = NOW - timedelta(minutes=40)

# Pseudo-random by md5, so that both editions hold the same rows. %(now)s and the like are moments.
_FILL = [
    "INSERT INTO channel (channel_id, name) SELECT lpad(to_hex(n), 32, '0'), 'Channel ' || n FROM generate_series(0, 2) AS n",
    """INSERT INTO broadcast (stream_id, channel_id, opened_at, closed_at, close_cause, title, category)
    SELECT to_char(opened_at AT TIME ZONE 'Asia/Seoul', 'YYYYMMDD-HH24MISS') || '_' || channel_id,
        channel_id, opened_at, closed_at, CASE WHEN closed_at IS NOT NULL THEN 'closed' END, 'It''s a title', 'Game'
    FROM (
        SELECT channel_id, %(ended)s AS opened_at, %(ended)s + %(length)s AS closed_at FROM channel
        UNION ALL
        SELECT channel_id, %(on_air)s, NULL FROM channel WHERE name <> 'Channel 2'
    ) AS b""",
    """INSERT INTO event (ts, broadcast_id, kind, event_key, user_id, nickname, content, amount, source, received_at)
    SELECT opened_at + s * INTERVAL '1 second', broadcast_id,
        CASE WHEN s %% 97 = 0 THEN 'donation' ELSE 'chat' END, s * 10 + k, 'user ' || (s * k) %% 23, 'Nick ' || (s * k) %% 23,
        'hello ' || s, CASE WHEN s %% 97 = 0 THEN 1000 * (1 + s %% 7) END, 'live', opened_at + (s + 0.08) * INTERVAL '1 second'
    FROM broadcast
    CROSS JOIN LATERAL generate_series(
        0, extract(EPOCH FROM coalesce(closed_at, %(now)s) - opened_at)::integer - 1
    ) AS s
    CROSS JOIN generate_series(1, 3) AS k
    WHERE ('x' || left(md5(stream_id || s || k), 4))::bit(16)::integer < 9000 + CASE WHEN s %% 900 < 60 THEN 40000 ELSE 0 END
        AND NOT (s BETWEEN 600 AND 719)""",
    """INSERT INTO viewer_sample (ts, broadcast_id, viewers)
    SELECT t, broadcast_id, 100 + extract(MINUTE FROM t)::integer
    FROM broadcast CROSS JOIN LATERAL generate_series(opened_at, coalesce(closed_at, %(now)s), INTERVAL '1 minute') AS t""",
    """INSERT INTO broadcast_change (ts, broadcast_id, title, category)
    SELECT opened_at + INTERVAL '10 minutes', broadcast_id, 'Another', 'Game' FROM broadcast""",
    """INSERT INTO gap (gap_id, broadcast_id, from_ts, to_ts, cause)
    SELECT gen_random_uuid(), broadcast_id, opened_at + INTERVAL '10 minutes', opened_at + INTERVAL '12 minutes', 'close 1006'
    FROM broadcast""",
    """INSERT INTO connection (connection_id, broadcast_id, connected_at, disconnected_at, cause)
    SELECT gen_random_uuid(), broadcast_id, opened_at, opened_at + INTERVAL '10 minutes', 'close 1006' FROM broadcast""",
    """INSERT INTO peak (broadcast_id, method, rank, start_sec, end_sec, onset_sec, value, score, in_gap, reasons)
    SELECT broadcast_id, m, n, n * 900, n * 900 + 60, n * 900 - 5, 100 - n, 10.0 - n, FALSE, ARRAY['3.1x usual']
    FROM broadcast CROSS JOIN generate_series(1, 3) AS n CROSS JOIN unnest(ARRAY['volume', 'surge']) AS m
    WHERE closed_at IS NOT NULL""",
    """INSERT INTO broadcast_total
    SELECT broadcast_id, count(*) FILTER (WHERE kind = 'chat'), count(*) FILTER (WHERE kind = 'donation'),
        coalesce(sum(amount), 0), count(DISTINCT user_id) FILTER (WHERE kind = 'chat'), max(ts), now()
    FROM event WHERE ts < %(on_air)s GROUP BY broadcast_id""",
    # Half a minute was cut out after the first ten.
    """INSERT INTO video_part
    SELECT broadcast_id, 1000 + broadcast_id, m.*
    FROM broadcast CROSS JOIN LATERAL (
        VALUES (0, opened_at + INTERVAL '3 seconds', opened_at + INTERVAL '603 seconds'),
            (600000, opened_at + INTERVAL '633 seconds', closed_at)
    ) AS m WHERE closed_at IS NOT NULL""",
    """INSERT INTO collector_status
        (collector_id, started_at, heartbeat_at, channels, live, events, rejected, queued, delay_sec)
    VALUES ('host-1', %(ended)s, now(), 3, 2, 1000, 0, 0, 0.2)""",
]


def fill(database: Database) -> None:
    """Puts the world into a migrated, empty database; on TimescaleDB the aggregates are refreshed up to a while ago."""
    moments = {"now": NOW, "ended": ENDED, "length": ENDED_LENGTH, "on_air": ON_AIR}
    with database.connect() as connection:
        for statement in _FILL:
            connection.execute(statement.encode(), moments)
        connection.commit()
    if database.edition == "timescaledb":
        with database.connect(autocommit=True) as connection:
            for relation in ("chat_1s", "chat_60s", "chat_300s"):
                call = f"CALL refresh_continuous_aggregate('{relation}', NULL, now() - INTERVAL '20 minutes')"
                connection.execute(call.encode())
