-- name: find_broadcasts
-- Broadcasts that opened in [since, until), or the one with that stream_id or number; NULL: no condition.
SELECT
    b.broadcast_id,
    b.stream_id,
    b.channel_id,
    c.name AS streamer,
    b.title,
    b.category,
    b.opened_at,
    b.closed_at,
    b.close_cause
FROM broadcast AS b
INNER JOIN channel AS c ON b.channel_id = c.channel_id
WHERE
    (%(broadcast)s::text IS NULL OR b.stream_id = %(broadcast)s OR b.broadcast_id::text = %(broadcast)s)
    AND (%(since)s::timestamptz IS NULL OR b.opened_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR b.opened_at < %(until)s)
    AND (NOT %(only_changed)s OR b.exported_at IS NULL OR b.exported_at < b.updated_at)
    AND (NOT %(only_closed)s OR b.closed_at IS NOT NULL)
ORDER BY b.opened_at, b.broadcast_id;

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
    count(*) FILTER (WHERE hidden) AS hidden
FROM event
WHERE broadcast_id = %(broadcast_id)s
GROUP BY kind
ORDER BY kind;

-- name: chatter_total
-- How many people wrote, in the session's broadcast.
SELECT coalesce(sum(newcomers), 0)::bigint AS chatters
FROM second;

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

-- name: all_events
-- Every event of a broadcast in order of time, for its events.jsonl.
SELECT
    kind,
    nickname,
    content,
    amount,
    user_id,
    hidden,
    source,
    extra::text AS extra,
    (extract(EPOCH FROM ts) * 1000)::bigint AS ts_ms,
    (extract(EPOCH FROM received_at) * 1000)::bigint AS received_ms
FROM event
WHERE broadcast_id = %(broadcast_id)s
ORDER BY ts, event_key;

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
-- The broadcast's files are as new as its rows were when the job began.
UPDATE broadcast
SET exported_at = %(begun_at)s
WHERE broadcast_id = %(broadcast_id)s;

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
