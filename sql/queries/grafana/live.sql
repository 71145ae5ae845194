-- name: live_now
-- Stats: what is on air now, of the chosen channels.
WITH on_air AS (
    SELECT broadcast_id
    FROM broadcast
    WHERE channel_id = any(ARRAY[${channel:sqlstring}]::text[]) AND closed_at IS NULL
)

SELECT
    (SELECT count(*) FROM on_air) AS on_air,
    (
        SELECT sum(chat_count) / 60.0
        FROM chat_1s
        WHERE
            broadcast_id = any(array(SELECT broadcast_id FROM on_air))
            AND bucket >= now() - INTERVAL '62 seconds' AND bucket < now() - INTERVAL '2 seconds'
    ) AS chats_per_sec,
    (
        SELECT sum(v.viewers)
        FROM on_air AS o
        CROSS JOIN LATERAL (
            SELECT s.viewers
            FROM viewer_sample AS s
            WHERE s.broadcast_id = o.broadcast_id AND s.ts > now() - INTERVAL '10 minutes'
            ORDER BY s.ts DESC
            LIMIT 1
        ) AS v
    ) AS viewers,
    (
        SELECT coalesce(sum(donation_amount), 0)
        FROM chat_60s
        WHERE broadcast_id = any(array(SELECT broadcast_id FROM on_air)) AND bucket >= now() - INTERVAL '1 hour'
    ) AS donation_amount,
    (
        SELECT count(*)
        FROM gap
        WHERE broadcast_id IN (SELECT broadcast_id FROM on_air) AND to_ts IS NULL AND repaired_at IS NULL
    ) AS open_gaps,
    (
        SELECT extract(EPOCH FROM now() - max(heartbeat_at))::double precision
        FROM collector_status
        WHERE stopped_at IS NULL
    ) AS heartbeat_age_sec;

-- name: live_broadcasts
-- Table: the broadcasts on air, the most excited first: chats a second of the last minute, and how many times the mean
-- of the hour before.
WITH on_air AS (
    SELECT
        b.broadcast_id,
        b.stream_id,
        coalesce(c.name, c.channel_id) AS channel,
        b.channel_id,
        b.title,
        b.category,
        b.opened_at
    FROM broadcast AS b
    INNER JOIN channel AS c ON b.channel_id = c.channel_id
    WHERE b.channel_id = any(ARRAY[${channel:sqlstring}]::text[]) AND b.closed_at IS NULL
),

this_minute AS (
    SELECT
        broadcast_id,
        sum(chat_count) / 60.0 AS rate
    FROM chat_1s
    WHERE
        broadcast_id = any(array(SELECT broadcast_id FROM on_air))
        AND bucket >= now() - INTERVAL '62 seconds' AND bucket < now() - INTERVAL '2 seconds'
    GROUP BY broadcast_id
),

this_hour AS (
    SELECT
        broadcast_id,
        sum(chat_count) AS chats
    FROM chat_60s
    WHERE
        broadcast_id = any(array(SELECT broadcast_id FROM on_air))
        AND bucket >= date_trunc('minute', now()) - INTERVAL '61 minutes'
        AND bucket < date_trunc('minute', now()) - INTERVAL '1 minute'
    GROUP BY broadcast_id
),

usual AS (
    SELECT
        o.broadcast_id,
        h.chats / nullif(least(extract(EPOCH FROM now() - INTERVAL '1 minute' - o.opened_at), 3600), 0) AS rate
    FROM on_air AS o
    INNER JOIN this_hour AS h ON o.broadcast_id = h.broadcast_id
    WHERE o.opened_at < now() - INTERVAL '5 minutes'
)

SELECT
    o.channel,
    o.title,
    o.category,
    v.viewers,
    coalesce(m.rate, 0)::double precision AS chats_per_sec,
    (coalesce(m.rate, 0) / greatest(u.rate, 0.1))::double precision AS times_usual,
    o.opened_at,
    o.channel_id,
    o.stream_id,
    (1000 * extract(EPOCH FROM o.opened_at))::bigint::text AS from_ms,
    'now' AS to_ms
FROM on_air AS o
LEFT JOIN this_minute AS m ON o.broadcast_id = m.broadcast_id
LEFT JOIN usual AS u ON o.broadcast_id = u.broadcast_id
LEFT JOIN LATERAL (
    SELECT s.viewers
    FROM viewer_sample AS s
    WHERE s.broadcast_id = o.broadcast_id AND s.ts > now() - INTERVAL '10 minutes'
    ORDER BY s.ts DESC
    LIMIT 1
) AS v ON TRUE
ORDER BY times_usual DESC NULLS LAST, chats_per_sec DESC;

-- name: live_chat_rate
-- Series: chats a second by channel. The zoom decides how wide a bucket is, and which relation is just fine enough.
-- NULL where nothing is known: off air, or nothing but a gap.
WITH aired AS (
    SELECT
        b.broadcast_id,
        b.channel_id,
        coalesce(c.name, c.channel_id) AS channel,
        greatest(b.opened_at, $__timeFrom()) AS from_ts,
        least(coalesce(b.closed_at, now() - INTERVAL '2 seconds'), $__timeTo()) AS to_ts
    FROM broadcast AS b
    INNER JOIN channel AS c ON b.channel_id = c.channel_id
    WHERE
        b.channel_id = any(ARRAY[${channel:sqlstring}]::text[])
        AND b.opened_at < $__timeTo()
        AND coalesce(b.closed_at, 'infinity') > $__timeFrom()
),

counted AS (
    SELECT
        r.broadcast_id,
        date_bin($__interval_ms * INTERVAL '1 millisecond', r.bucket, '2000-01-03 00:00:00+09') AS bucket,
        sum(r.chat_count) AS chats
    FROM (
        SELECT
            broadcast_id,
            bucket,
            chat_count
        FROM chat_1s
        WHERE
            $__interval_ms < 60000
            AND broadcast_id = any(array(SELECT broadcast_id FROM aired))
            AND $__timeFilter(bucket)
        UNION ALL
        SELECT
            broadcast_id,
            bucket,
            chat_count
        FROM chat_60s
        WHERE
            $__interval_ms >= 60000 AND $__interval_ms < 300000
            AND broadcast_id = any(array(SELECT broadcast_id FROM aired)) AND $__timeFilter(bucket)
        UNION ALL
        SELECT
            broadcast_id,
            bucket,
            chat_count
        FROM chat_300s
        WHERE
            $__interval_ms >= 300000
            AND broadcast_id = any(array(SELECT broadcast_id FROM aired))
            AND $__timeFilter(bucket)
    ) AS r
    GROUP BY 1, 2
),

-- one bucket more than was on air: without seconds, so it is NULL and the line ends there
buckets AS (
    SELECT
        a.channel_id,
        a.channel,
        a.broadcast_id,
        g.bucket,
        greatest(
            extract(
                EPOCH FROM least(g.bucket + $__interval_ms * INTERVAL '1 millisecond', a.to_ts)
                - greatest(g.bucket, a.from_ts)
            ),
            0
        ) AS aired_sec,
        m.missing_sec
    FROM aired AS a
    CROSS JOIN
        LATERAL generate_series(
            date_bin($__interval_ms * INTERVAL '1 millisecond', a.from_ts, '2000-01-03 00:00:00+09'),
            a.to_ts + $__interval_ms * INTERVAL '1 millisecond',
            $__interval_ms * INTERVAL '1 millisecond'
        ) AS g (bucket)
    LEFT JOIN LATERAL (
        SELECT
            sum(
                extract(
                    EPOCH FROM least(
                        coalesce(p.to_ts, 'infinity'), g.bucket + $__interval_ms * INTERVAL '1 millisecond', a.to_ts
                    ) - greatest(p.from_ts, g.bucket, a.from_ts)
                )
            ) AS missing_sec
        FROM gap AS p
        WHERE
            p.broadcast_id = a.broadcast_id
            AND p.repaired_at IS NULL
            AND p.from_ts < least(g.bucket + $__interval_ms * INTERVAL '1 millisecond', a.to_ts)
            AND coalesce(p.to_ts, 'infinity') > greatest(g.bucket, a.from_ts)
    ) AS m ON TRUE
    WHERE g.bucket <= now()
)

SELECT
    b.bucket AS time,
    b.channel,
    b.channel_id,
    CASE
        WHEN sum(c.chats) > 0 OR count(b.missing_sec) = 0
            THEN
                coalesce(sum(c.chats), 0)
                / nullif(ceil(greatest(sum(b.aired_sec) - coalesce(sum(b.missing_sec), 0), 0)), 0)
    END::double precision AS value
FROM buckets AS b
LEFT JOIN counted AS c ON b.broadcast_id = c.broadcast_id AND b.bucket = c.bucket
GROUP BY b.bucket, b.channel, b.channel_id
ORDER BY b.bucket, b.channel;

-- name: live_donations
-- Bars: KRW donated by channel and bucket of at least a minute. No row where nobody gave.
WITH aired AS (
    SELECT
        b.broadcast_id,
        b.channel_id,
        coalesce(c.name, c.channel_id) AS channel
    FROM broadcast AS b
    INNER JOIN channel AS c ON b.channel_id = c.channel_id
    WHERE
        b.channel_id = any(ARRAY[${channel:sqlstring}]::text[])
        AND b.opened_at < $__timeTo()
        AND coalesce(b.closed_at, 'infinity') > $__timeFrom()
),

given AS (
    SELECT
        broadcast_id,
        bucket,
        donation_amount
    FROM chat_60s
    WHERE
        $__interval_ms < 300000
        AND broadcast_id = any(array(SELECT broadcast_id FROM aired)) AND $__timeFilter(bucket)
    UNION ALL
    SELECT
        broadcast_id,
        bucket,
        donation_amount
    FROM chat_300s
    WHERE
        $__interval_ms >= 300000
        AND broadcast_id = any(array(SELECT broadcast_id FROM aired)) AND $__timeFilter(bucket)
)

SELECT
    date_bin($__interval_ms * INTERVAL '1 millisecond', g.bucket, '2000-01-03 00:00:00+09') AS time,
    a.channel,
    a.channel_id,
    sum(g.donation_amount)::double precision AS value
FROM given AS g
INNER JOIN aired AS a ON g.broadcast_id = a.broadcast_id
WHERE g.donation_amount > 0
GROUP BY 1, 2, 3
ORDER BY 1, 2;

-- name: live_viewers
-- Series: viewers by channel, the mean of the samples in a bucket of at least a minute; NULL where a broadcast ends.
WITH aired AS (
    SELECT
        b.broadcast_id,
        b.channel_id,
        coalesce(c.name, c.channel_id) AS channel,
        b.closed_at
    FROM broadcast AS b
    INNER JOIN channel AS c ON b.channel_id = c.channel_id
    WHERE
        b.channel_id = any(ARRAY[${channel:sqlstring}]::text[])
        AND b.opened_at < $__timeTo()
        AND coalesce(b.closed_at, 'infinity') > $__timeFrom()
),

shown AS (
    SELECT
        v.ts,
        a.channel,
        a.channel_id,
        v.viewers
    FROM viewer_sample AS v
    INNER JOIN aired AS a ON v.broadcast_id = a.broadcast_id
    WHERE v.broadcast_id = any(array(SELECT broadcast_id FROM aired)) AND $__timeFilter(v.ts)
    UNION ALL
    SELECT
        closed_at + $__interval_ms * INTERVAL '1 millisecond' AS ts,
        channel,
        channel_id,
        NULL AS viewers
    FROM aired
    WHERE closed_at < now() - $__interval_ms * INTERVAL '1 millisecond'
)

SELECT
    date_bin($__interval_ms * INTERVAL '1 millisecond', ts, '2000-01-03 00:00:00+09') AS time,
    channel,
    channel_id,
    avg(viewers)::double precision AS value
FROM shown
GROUP BY 1, 2, 3
ORDER BY 1, 2;

-- name: live_engagement
-- Series: chats a minute of 100 viewers by channel, in buckets of at least five minutes, where both are known.
WITH aired AS (
    SELECT
        b.broadcast_id,
        b.channel_id,
        coalesce(c.name, c.channel_id) AS channel
    FROM broadcast AS b
    INNER JOIN channel AS c ON b.channel_id = c.channel_id
    WHERE
        b.channel_id = any(ARRAY[${channel:sqlstring}]::text[])
        AND b.opened_at < $__timeTo()
        AND coalesce(b.closed_at, 'infinity') > $__timeFrom()
),

watched AS (
    SELECT
        broadcast_id,
        date_bin($__interval_ms * INTERVAL '1 millisecond', ts, '2000-01-03 00:00:00+09') AS bucket,
        avg(viewers) AS viewers
    FROM viewer_sample
    WHERE broadcast_id = any(array(SELECT broadcast_id FROM aired)) AND $__timeFilter(ts)
    GROUP BY 1, 2
),

said AS (
    SELECT
        broadcast_id,
        date_bin($__interval_ms * INTERVAL '1 millisecond', bucket, '2000-01-03 00:00:00+09') AS bucket,
        avg(chat_count / 5.0) AS chats_per_minute
    FROM chat_300s
    WHERE
        broadcast_id = any(array(SELECT broadcast_id FROM aired)) AND $__timeFilter(bucket)
        -- the newest is not over yet
        AND bucket < now() - INTERVAL '5 minutes'
    GROUP BY 1, 2
)

SELECT
    s.bucket AS time,
    a.channel,
    a.channel_id,
    (100 * avg(s.chats_per_minute) / nullif(avg(w.viewers), 0))::double precision AS value
FROM said AS s
INNER JOIN watched AS w ON s.broadcast_id = w.broadcast_id AND s.bucket = w.bucket
INNER JOIN aired AS a ON s.broadcast_id = a.broadcast_id
GROUP BY 1, 2, 3
ORDER BY 1, 2;

-- name: live_latest_donations
-- Table: the latest donations in the range. The minutes with donations are found first: no message is read in vain.
WITH aired AS (
    SELECT
        b.broadcast_id,
        b.stream_id,
        b.channel_id,
        coalesce(c.name, c.channel_id) AS channel
    FROM broadcast AS b
    INNER JOIN channel AS c ON b.channel_id = c.channel_id
    WHERE
        b.channel_id = any(ARRAY[${channel:sqlstring}]::text[])
        AND b.opened_at < $__timeTo()
        AND coalesce(b.closed_at, 'infinity') > $__timeFrom()
),

minutes AS MATERIALIZED (
    SELECT
        broadcast_id,
        bucket
    FROM chat_60s
    WHERE
        broadcast_id = any(array(SELECT broadcast_id FROM aired)) AND $__timeFilter(bucket) AND donation_count > 0
    ORDER BY bucket DESC, broadcast_id
    LIMIT 30
)

SELECT
    e.ts AS time,
    a.channel,
    e.amount,
    e.nickname,
    e.content,
    a.channel_id,
    a.stream_id,
    (1000 * extract(EPOCH FROM e.ts) - 120000)::bigint::text AS from_ms,
    (1000 * extract(EPOCH FROM e.ts) + 120000)::bigint::text AS to_ms,
    (1000 * extract(EPOCH FROM e.ts))::bigint::text AS moment_ms
FROM minutes AS m
INNER JOIN aired AS a ON m.broadcast_id = a.broadcast_id
CROSS JOIN
    LATERAL (
        SELECT
            d.ts,
            d.amount,
            d.nickname,
            d.content,
            d.event_key
        FROM event AS d
        WHERE
            d.broadcast_id = m.broadcast_id
            AND d.ts >= m.bucket
            AND d.ts < m.bucket + INTERVAL '1 minute'
            AND $__timeFilter(d.ts)
            AND d.kind = 'donation'
            AND NOT d.hidden
        -- a limit of its own, so that it is done minute by minute
        ORDER BY d.ts DESC
        LIMIT 30
    ) AS e
ORDER BY e.ts DESC, e.event_key
LIMIT 30;

-- name: live_top_chatters
-- Table: who wrote most in the last five minutes of the range.
WITH aired AS (
    SELECT
        b.broadcast_id,
        coalesce(c.name, c.channel_id) AS channel
    FROM broadcast AS b
    INNER JOIN channel AS c ON b.channel_id = c.channel_id
    WHERE
        b.channel_id = any(ARRAY[${channel:sqlstring}]::text[])
        AND b.opened_at < $__timeTo()
        AND coalesce(b.closed_at, 'infinity') > $__timeTo()::timestamptz - INTERVAL '5 minutes'
)

SELECT
    max(e.nickname) AS nickname,
    max(a.channel) AS channel,
    count(*) AS chats
FROM event AS e
INNER JOIN aired AS a ON e.broadcast_id = a.broadcast_id
WHERE
    e.broadcast_id = any(array(SELECT broadcast_id FROM aired))
    AND e.ts > $__timeTo()::timestamptz - INTERVAL '5 minutes' AND e.ts <= $__timeTo()
    AND e.kind = 'chat'
GROUP BY e.broadcast_id, e.user_id
ORDER BY chats DESC, nickname
LIMIT 15;
