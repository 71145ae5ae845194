-- name: find_broadcasts
-- Broadcasts that opened in [since, until), or those called or numbered so; NULL: no condition. `due`: their files are
-- missing, older than their rows, or made with something other than `up_to_date`.
SELECT
    b.broadcast_id,
    b.stream_id,
    b.channel_id,
    c.name AS streamer,
    b.title,
    b.category,
    b.opened_at,
    b.closed_at,
    b.close_cause,
    b.updated_at,
    b.exported_at IS NULL
    OR b.exported_at < b.updated_at
    OR b.exported_with IS NULL
    OR b.exported_with <> all(%(up_to_date)s::text []) AS due
FROM broadcast AS b
INNER JOIN channel AS c ON b.channel_id = c.channel_id
WHERE
    (
        %(broadcasts)s::text [] IS NULL
        OR b.stream_id = any(%(broadcasts)s::text [])
        OR b.broadcast_id::text = any(%(broadcasts)s::text [])
    )
    AND (%(since)s::timestamptz IS NULL OR b.opened_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR b.opened_at < %(until)s)
    AND (NOT %(only_closed)s OR b.closed_at IS NOT NULL)
ORDER BY b.opened_at, b.broadcast_id;

-- name: one_broadcast
-- A broadcast as it is now.
SELECT
    b.broadcast_id,
    b.stream_id,
    b.channel_id,
    c.name AS streamer,
    b.title,
    b.category,
    b.opened_at,
    b.closed_at,
    b.close_cause,
    b.updated_at
FROM broadcast AS b
INNER JOIN channel AS c ON b.channel_id = c.channel_id
WHERE b.broadcast_id = %(broadcast_id)s;

-- name: kept_since
-- The moment before which messages may be gone; NULL where all are kept.
SELECT
    CASE
        WHEN i.edition = 'timescaledb' AND r.keep_days > 0 THEN now() - make_interval(days => r.keep_days)
    END AS kept_since
FROM installation AS i
LEFT JOIN retention AS r ON r.relation = 'event';

-- name: lock_export
-- Of two exports of a broadcast at once, one waits: a folder never has files of both. Ends with the session.
SELECT pg_advisory_lock(6055002, %(broadcast_id)s);

-- name: event_span
-- When the last message of a broadcast was said; NULL where there is none. Channel events, which have no author, have
-- no time of Chzzk's either.
SELECT max(ts) AS last_ts
FROM event
WHERE broadcast_id = %(broadcast_id)s AND NOT (kind = 'other' AND user_id IS NULL);

-- name: event_totals
-- How much of each kind a broadcast has.
SELECT
    kind,
    count(*) AS events,
    coalesce(sum(amount), 0) AS amount,
    count(*) FILTER (WHERE hidden) AS hidden,
    max(ts) AS last_ts
FROM event
WHERE broadcast_id = %(broadcast_id)s
GROUP BY kind
ORDER BY kind;

-- name: chatter_total
-- How many people wrote, in the session's broadcast.
SELECT coalesce(sum(newcomers), 0)::bigint AS chatters
FROM second;

-- name: early_chatter_total
-- How many people wrote before second 0 and never after: no series has them, and broadcast_overview counts them.
SELECT count(DISTINCT early.user_id) AS chatters
FROM event AS early
WHERE
    early.broadcast_id = %(broadcast_id)s
    AND early.kind = 'chat'
    AND early.ts < %(opened_at)s
    AND NOT EXISTS (
        SELECT FROM event AS later
        WHERE
            later.broadcast_id = %(broadcast_id)s
            AND later.kind = 'chat'
            AND later.ts >= %(opened_at)s
            AND later.user_id = early.user_id
    );

-- name: event_latency
-- From Chzzk's time of a live message to its arrival, in seconds: median and 99th percentile.
SELECT
    percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(EPOCH FROM received_at - ts)::double precision) AS median_sec,
    percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(EPOCH FROM received_at - ts)::double precision) AS p99_sec
FROM event
WHERE broadcast_id = %(broadcast_id)s AND source = 'live' AND user_id IS NOT NULL;

-- name: connections
-- A broadcast's connections in order.
SELECT
    connected_at,
    disconnected_at,
    cause,
    refilled
FROM connection
WHERE broadcast_id = %(broadcast_id)s
ORDER BY connected_at;

-- name: gaps
-- A broadcast's gaps in order; one that is still open lasts until now.
SELECT
    from_ts,
    coalesce(to_ts, greatest(from_ts, now())) AS to_ts,
    cause,
    repaired_at
FROM gap
WHERE broadcast_id = %(broadcast_id)s
ORDER BY from_ts;

-- name: rejected_count
-- How many items of a broadcast could not be understood.
SELECT count(*) AS rejected
FROM rejected_item
WHERE broadcast_id = %(broadcast_id)s;

-- name: copy_event_lines
-- Every event of a broadcast in order of time, each as a line of events.jsonl. The server writes the JSON: that is four
-- times as fast as Python, and takes no memory. As CSV a line goes out as it is, for in JSON no control character is
-- left that could be the quote or the delimiter.
COPY (
    SELECT
        concat(
            '{"stream_id":', to_json(%(stream_id)s::text),
            ',"type":"', kind,
            '","t_ms":', round(extract(EPOCH FROM ts - %(opened_at)s::timestamptz) * 1000)::bigint,
            ',"user":', coalesce(to_json(nickname)::text, 'null'),
            ',"text":', coalesce(to_json(content)::text, 'null'),
            ',"received_at":"',
            to_char(coalesce(received_at, ts) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
            '"', ',"amount":' || amount,
            ',"user_id":', coalesce(to_json(user_id)::text, 'null'),
            ',"sent_at":"', to_char(ts AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
            '","hidden":', CASE WHEN hidden THEN 'true' ELSE 'false' END,
            ',"source":"', source,
            '"', ',"extra":' || extra::text, '}'
        )
    FROM event
    WHERE broadcast_id = %(broadcast_id)s
    ORDER BY ts, event_key
) TO STDOUT (FORMAT csv, DELIMITER E'\x01', QUOTE E'\x02', ENCODING 'UTF8');

-- name: copy_parquet_rows
-- Every event of a broadcast in order of time, for its Parquet file. Times are ms since 1970.
COPY (
    SELECT
        %(stream_id)s::text AS stream_id,
        round(extract(EPOCH FROM ts) * 1000)::bigint AS ts_ms,
        round(extract(EPOCH FROM ts - %(opened_at)s::timestamptz) * 1000)::bigint AS t_ms,
        kind,
        event_key,
        user_id,
        nickname,
        content,
        amount,
        hidden,
        source,
        round(extract(EPOCH FROM received_at) * 1000)::bigint AS received_ms,
        extra::text AS extra
    FROM event
    WHERE broadcast_id = %(broadcast_id)s
    ORDER BY ts, event_key
) TO STDOUT (FORMAT csv, ENCODING 'UTF8');

-- name: sample_chats
-- A few chats of each segment: those written most often in its busiest minute, so that one glance tells what happened.
WITH busiest AS (
    SELECT DISTINCT ON (sec / %(segment_sec)s)
        sec / %(segment_sec)s AS segment,
        sec
    FROM series
    WHERE bucket_sec = 60 AND chat_count > 0
    ORDER BY sec / %(segment_sec)s, chat_count DESC, sec
),

chats AS (
    SELECT
        b.segment,
        left(e.content, 200) AS text,
        count(*) AS chats
    FROM busiest AS b
    INNER JOIN event AS e
        ON b.sec = floor(date_part('epoch', e.ts - %(opened_at)s::timestamptz) / 60)::integer * 60
    WHERE e.broadcast_id = %(broadcast_id)s AND e.kind = 'chat' AND NOT e.hidden AND e.content <> ''
    GROUP BY b.segment, left(e.content, 200)
),

ranked AS (
    SELECT
        chats.segment,
        chats.text,
        chats,
        row_number() OVER (
            PARTITION BY chats.segment ORDER BY chats DESC, chats.text COLLATE "C" -- noqa: RF03
        ) AS place
    FROM chats
)

SELECT
    segment,
    text,
    chats
FROM ranked
WHERE place <= %(samples)s
ORDER BY segment, place;

-- name: mark_exported
-- The broadcast's files are as new as its rows were when the job began; where the rows have changed since they were
-- read, it stays due.
UPDATE broadcast
SET
    exported_at = CASE WHEN updated_at = %(updated_at)s THEN %(begun_at)s ELSE exported_at END,
    exported_with = %(exported_with)s
WHERE broadcast_id = %(broadcast_id)s;

-- name: store_total
-- What the job has counted: it outlives the messages, and broadcast_overview need not count again.
INSERT INTO broadcast_total (
    broadcast_id, chats, donations, donation_amount, chatters, last_event_at, counted_at
)
VALUES (
    %(broadcast_id)s,
    %(chats)s,
    %(donations)s,
    %(donation_amount)s,
    %(chatters)s,
    %(last_event_at)s,
    %(counted_at)s
)
ON CONFLICT (broadcast_id) DO UPDATE
    SET
        chats = excluded.chats,
        donations = excluded.donations,
        donation_amount = excluded.donation_amount,
        chatters = excluded.chatters,
        last_event_at = excluded.last_event_at,
        counted_at = excluded.counted_at
    WHERE broadcast_total.counted_at <= excluded.counted_at;

-- name: events_of_channel
-- Every message that somebody sent in a channel, to be compared with what is known to have been sent.
SELECT
    e.kind,
    e.user_id,
    e.nickname,
    e.content,
    e.amount,
    e.hidden,
    (extract(EPOCH FROM e.ts) * 1000)::bigint AS ts_ms
FROM event AS e
INNER JOIN broadcast AS b ON e.broadcast_id = b.broadcast_id
WHERE b.channel_id = %(channel_id)s AND e.user_id IS NOT NULL;
