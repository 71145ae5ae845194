-- name: channels_totals
-- Stats: the broadcasts of the chosen channels that opened in the range. Chatters are distinct within a broadcast.
SELECT
    count(*) AS broadcasts,
    coalesce(sum(extract(EPOCH FROM coalesce(b.closed_at, now()) - b.opened_at)), 0)::double precision AS aired_sec,
    coalesce(sum(coalesce(f.chats, r.chats)), 0)::double precision AS chats,
    coalesce(sum(coalesce(f.donations, r.donations)), 0)::double precision AS donations,
    coalesce(sum(coalesce(f.donation_amount, r.donation_amount)), 0)::double precision AS donation_amount,
    sum(f.chatters)::double precision AS chatters
FROM broadcast AS b
LEFT JOIN broadcast_total AS f ON b.broadcast_id = f.broadcast_id AND b.closed_at IS NOT NULL
LEFT JOIN LATERAL (
    SELECT
        sum(t.chat_count)::bigint AS chats,
        sum(t.donation_count)::bigint AS donations,
        sum(t.donation_amount)::bigint AS donation_amount
    FROM chat_300s AS t
    WHERE t.broadcast_id = b.broadcast_id
) AS r ON f.broadcast_id IS NULL
WHERE b.channel_id = any(ARRAY[${channel:sqlstring}]::text[]) AND $__timeFilter(b.opened_at);

-- name: channels_ranking
-- Table: one row a channel, of broadcasts that opened in the range.
WITH shown AS (
    SELECT
        b.broadcast_id,
        b.channel_id,
        extract(EPOCH FROM coalesce(b.closed_at, now()) - b.opened_at) AS aired_sec,
        coalesce(f.chats, r.chats, 0) AS chats,
        coalesce(f.donations, r.donations, 0) AS donations,
        coalesce(f.donation_amount, r.donation_amount, 0) AS donation_amount,
        f.chatters,
        p.score
    FROM broadcast AS b
    LEFT JOIN broadcast_total AS f ON b.broadcast_id = f.broadcast_id AND b.closed_at IS NOT NULL
    LEFT JOIN LATERAL (
        SELECT
            sum(t.chat_count)::bigint AS chats,
            sum(t.donation_count)::bigint AS donations,
            sum(t.donation_amount)::bigint AS donation_amount
        FROM chat_300s AS t
        WHERE t.broadcast_id = b.broadcast_id
    ) AS r ON f.broadcast_id IS NULL
    LEFT JOIN LATERAL (
        SELECT max(k.score) AS score
        FROM peak AS k
        WHERE k.broadcast_id = b.broadcast_id
    ) AS p ON TRUE
    WHERE b.channel_id = any(ARRAY[${channel:sqlstring}]::text[]) AND $__timeFilter(b.opened_at)
)

SELECT
    coalesce(c.name, c.channel_id) AS channel,
    count(*) AS broadcasts,
    sum(s.aired_sec)::double precision AS aired_sec,
    sum(s.chats)::double precision AS chats,
    (60 * sum(s.chats) / nullif(sum(s.aired_sec), 0))::double precision AS chats_per_minute,
    avg(s.chatters)::double precision AS chatters,
    sum(s.donations)::double precision AS donations,
    sum(s.donation_amount)::double precision AS donation_amount,
    max(s.score) AS best_score,
    c.channel_id
FROM shown AS s
INNER JOIN channel AS c ON s.channel_id = c.channel_id
GROUP BY c.channel_id
ORDER BY chats DESC;

-- name: channels_broadcasts
-- Table: the broadcasts that opened in the range, newest first.
WITH shown AS (
    SELECT
        b.broadcast_id,
        b.stream_id,
        b.channel_id,
        b.title,
        b.category,
        b.opened_at,
        b.closed_at
    FROM broadcast AS b
    WHERE b.channel_id = any(ARRAY[${channel:sqlstring}]::text[]) AND $__timeFilter(b.opened_at)
    ORDER BY b.opened_at DESC
    LIMIT 200
)

SELECT
    s.opened_at AS time,
    coalesce(c.name, c.channel_id) AS channel,
    s.title,
    s.category,
    extract(EPOCH FROM coalesce(s.closed_at, now()) - s.opened_at)::double precision AS duration_sec,
    coalesce(f.chats, r.chats, 0) AS chats,
    f.chatters,
    coalesce(f.donation_amount, r.donation_amount, 0)::double precision AS donation_amount,
    s.channel_id,
    s.stream_id,
    (1000 * extract(EPOCH FROM s.opened_at))::bigint::text AS from_ms,
    (1000 * extract(EPOCH FROM coalesce(s.closed_at, now())))::bigint::text AS to_ms
FROM shown AS s
INNER JOIN channel AS c ON s.channel_id = c.channel_id
LEFT JOIN broadcast_total AS f ON s.broadcast_id = f.broadcast_id AND s.closed_at IS NOT NULL
LEFT JOIN LATERAL (
    SELECT
        sum(t.chat_count)::bigint AS chats,
        sum(t.donation_amount)::bigint AS donation_amount
    FROM chat_300s AS t
    WHERE t.broadcast_id = s.broadcast_id
) AS r ON f.broadcast_id IS NULL
ORDER BY s.opened_at DESC;

-- name: channels_hours_by_day
-- Bars: hours on air by channel and day (of the opening, in Korea).
SELECT
    date_trunc('day', b.opened_at, 'Asia/Seoul') AS time,
    coalesce(c.name, c.channel_id) AS channel,
    (sum(extract(EPOCH FROM coalesce(b.closed_at, now()) - b.opened_at)) / 3600)::double precision AS value
FROM broadcast AS b
INNER JOIN channel AS c ON b.channel_id = c.channel_id
WHERE b.channel_id = any(ARRAY[${channel:sqlstring}]::text[]) AND $__timeFilter(b.opened_at)
GROUP BY 1, 2
ORDER BY 1, 2;

-- name: channels_chats_by_day
-- Bars: chats by channel and day in Korea.
SELECT
    date_trunc('day', r.bucket, 'Asia/Seoul') AS time,
    coalesce(c.name, c.channel_id) AS channel,
    sum(r.chat_count)::double precision AS value
FROM chat_300s AS r
INNER JOIN broadcast AS b ON r.broadcast_id = b.broadcast_id
INNER JOIN channel AS c ON b.channel_id = c.channel_id
WHERE b.channel_id = any(ARRAY[${channel:sqlstring}]::text[]) AND $__timeFilter(r.bucket)
GROUP BY 1, 2
ORDER BY 1, 2;

-- name: channels_donations_by_day
-- Bars: KRW donated by channel and day in Korea.
SELECT
    date_trunc('day', r.bucket, 'Asia/Seoul') AS time,
    coalesce(c.name, c.channel_id) AS channel,
    sum(r.donation_amount)::double precision AS value
FROM chat_300s AS r
INNER JOIN broadcast AS b ON r.broadcast_id = b.broadcast_id
INNER JOIN channel AS c ON b.channel_id = c.channel_id
WHERE
    b.channel_id = any(ARRAY[${channel:sqlstring}]::text[])
    AND $__timeFilter(r.bucket)
    AND r.donation_amount > 0
GROUP BY 1, 2
ORDER BY 1, 2;

-- name: channels_chatters_by_day
-- Bars: distinct chatters of the broadcasts of a day, by channel; of broadcasts that have ended.
SELECT
    date_trunc('day', b.opened_at, 'Asia/Seoul') AS time,
    coalesce(c.name, c.channel_id) AS channel,
    sum(f.chatters)::double precision AS value
FROM broadcast AS b
INNER JOIN channel AS c ON b.channel_id = c.channel_id
INNER JOIN broadcast_total AS f ON b.broadcast_id = f.broadcast_id
WHERE b.channel_id = any(ARRAY[${channel:sqlstring}]::text[]) AND $__timeFilter(b.opened_at)
GROUP BY 1, 2
ORDER BY 1, 2;

-- name: channels_best_peaks
-- Table: the strongest peaks of broadcasts that opened in the range, one a broadcast.
WITH best AS (
    SELECT DISTINCT ON (b.broadcast_id)
        b.broadcast_id,
        b.stream_id,
        b.channel_id,
        b.title,
        b.opened_at,
        p.onset_sec,
        p.start_sec,
        p.end_sec,
        p.value,
        p.score,
        p.reasons
    FROM broadcast AS b
    INNER JOIN peak AS p ON b.broadcast_id = p.broadcast_id
    WHERE
        b.channel_id = any(ARRAY[${channel:sqlstring}]::text[])
        AND $__timeFilter(b.opened_at)
        AND p.rank <= 3
        AND NOT p.in_gap
    ORDER BY b.broadcast_id, p.score DESC
)

SELECT
    t.opened_at + t.onset_sec * INTERVAL '1 second' AS time,
    coalesce(c.name, c.channel_id) AS channel,
    t.title,
    t.onset_sec,
    t.value,
    t.score,
    reasons_text(t.reasons, ${language:sqlstring}) AS reasons,
    t.channel_id,
    t.stream_id,
    (1000 * (extract(EPOCH FROM t.opened_at) + t.onset_sec - 120))::bigint::text AS from_ms,
    (1000 * (extract(EPOCH FROM t.opened_at) + t.end_sec + 120))::bigint::text AS to_ms,
    (1000 * (extract(EPOCH FROM t.opened_at) + t.start_sec))::bigint::text AS moment_ms
FROM best AS t
INNER JOIN channel AS c ON t.channel_id = c.channel_id
ORDER BY t.score DESC
LIMIT 20;

-- name: channels_week
-- Heat map: chats a minute while on air, by weekday (1: Monday) and hour in Korea; no row where nobody was on air.
SELECT
    extract(ISODOW FROM r.bucket AT TIME ZONE 'Asia/Seoul')::text AS weekday,
    to_char(r.bucket AT TIME ZONE 'Asia/Seoul', 'HH24') AS hour,
    avg(r.chat_count / 5.0)::double precision AS chats_per_minute
FROM chat_300s AS r
INNER JOIN broadcast AS b ON r.broadcast_id = b.broadcast_id
WHERE
    b.channel_id = any(ARRAY[${channel:sqlstring}]::text[])
    AND $__timeFilter(r.bucket)
    AND r.bucket < now() - INTERVAL '5 minutes'
GROUP BY 1, 2
ORDER BY 1, 2;
