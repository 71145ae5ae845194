-- name: create_series
-- The session's series: rows of 1, 60 and 300 s, cut from the broadcast's start.
CREATE TEMP TABLE series (
    bucket_sec integer NOT NULL,
    sec integer NOT NULL, -- since opened_at
    ts timestamptz NOT NULL, -- the same as a clock time
    chat_count integer, -- NULL: nothing is known of these seconds, for they lie in a gap
    rolling numeric, -- mean of chat_count over the buckets of the last rolling_sec, this one included
    donation_count integer,
    chatters integer, -- distinct authors of chats
    viewers integer, -- mean of the samples in the bucket; NULL without one
    in_gap boolean NOT NULL, -- part of the bucket was not collected
    crowd integer, -- chat_count without the one who wrote most in each half minute: no one person makes a surge
    PRIMARY KEY (bucket_sec, sec)
);

-- name: fill_series
-- One row a bucket from second 0 to the end, silent ones included.
INSERT INTO series
WITH counted AS (
    SELECT
        date_bin(make_interval(secs => %(bucket_sec)s), ts, %(opened_at)s::timestamptz) AS ts,
        count(*) FILTER (WHERE kind = 'chat') AS chat_count,
        count(*) FILTER (WHERE kind = 'donation') AS donation_count,
        count(DISTINCT user_id) FILTER (WHERE kind = 'chat') AS chatters
    FROM event
    WHERE
        broadcast_id = %(broadcast_id)s
        AND ts >= %(opened_at)s::timestamptz
        AND ts < %(opened_at)s::timestamptz + make_interval(secs => %(length_sec)s)
    GROUP BY 1
),

watched AS (
    SELECT
        date_bin(make_interval(secs => %(bucket_sec)s), ts, %(opened_at)s::timestamptz) AS ts,
        round(avg(viewers))::integer AS viewers
    FROM viewer_sample
    WHERE broadcast_id = %(broadcast_id)s
    GROUP BY 1
),

missing AS (
    SELECT
        from_ts,
        to_ts
    FROM gap
    WHERE broadcast_id = %(broadcast_id)s AND repaired_at IS NULL
),

-- MATERIALIZED: inlined, the rolling mean would ask about gaps for each row of each of its frames
buckets AS MATERIALIZED (
    SELECT
        r.sec,
        %(opened_at)s::timestamptz + make_interval(secs => r.sec) AS ts,
        EXISTS (
            SELECT
            FROM missing AS m
            WHERE
                m.from_ts < %(opened_at)s::timestamptz + make_interval(secs => r.sec + %(bucket_sec)s)
                AND m.to_ts > %(opened_at)s::timestamptz + make_interval(secs => r.sec)
        ) AS in_gap
    FROM generate_series(0, %(length_sec)s - 1, %(bucket_sec)s) AS r (sec)
),

known AS (
    SELECT
        b.sec,
        b.ts,
        CASE WHEN b.in_gap THEN nullif(coalesce(c.chat_count, 0), 0) ELSE coalesce(c.chat_count, 0) END AS chat_count,
        coalesce(c.donation_count, 0) AS donation_count,
        coalesce(c.chatters, 0) AS chatters,
        w.viewers,
        b.in_gap
    FROM buckets AS b
    LEFT JOIN counted AS c ON b.ts = c.ts
    LEFT JOIN watched AS w ON b.ts = w.ts
)

SELECT
    %(bucket_sec)s,
    sec,
    ts,
    chat_count,
    round(avg(chat_count) OVER (ORDER BY sec ROWS BETWEEN %(rolling_before)s PRECEDING AND CURRENT ROW), 1),
    donation_count,
    chatters,
    viewers,
    in_gap,
    NULL
FROM known;

-- name: fill_crowd
-- The crowd of each second. The loudest of a half minute is whoever wrote most in it; ties go to one of them.
WITH said AS (
    SELECT
        date_bin(interval '30 seconds', ts, %(opened_at)s::timestamptz) AS slot,
        user_id,
        count(*) AS chats
    FROM event
    WHERE broadcast_id = %(broadcast_id)s AND kind = 'chat'
    GROUP BY 1, 2
),

loudest AS (
    SELECT DISTINCT ON (slot)
        slot,
        user_id
    FROM said
    ORDER BY slot, chats DESC, user_id
),

loud AS (
    SELECT
        date_bin(interval '1 second', e.ts, %(opened_at)s::timestamptz) AS ts,
        count(*) AS chats
    FROM event AS e
    INNER JOIN loudest AS l
        ON
            date_bin(interval '30 seconds', e.ts, %(opened_at)s::timestamptz) = l.slot
            AND e.user_id IS NOT DISTINCT FROM l.user_id
    WHERE e.broadcast_id = %(broadcast_id)s AND e.kind = 'chat'
    GROUP BY 1
)

UPDATE series
SET crowd = series.chat_count - coalesce(loud.chats, 0)
FROM series AS s
LEFT JOIN loud ON s.ts = loud.ts
WHERE series.bucket_sec = 1 AND s.bucket_sec = 1 AND series.sec = s.sec;

-- name: sum_crowd
-- The crowd of the wider buckets.
UPDATE series
SET crowd = w.crowd
FROM (
    SELECT
        b.bucket_sec,
        b.sec,
        sum(o.crowd) AS crowd
    FROM series AS b
    INNER JOIN series AS o ON o.bucket_sec = 1 AND o.sec >= b.sec AND o.sec < b.sec + b.bucket_sec
    WHERE b.bucket_sec > 1
    GROUP BY b.bucket_sec, b.sec
) AS w
WHERE series.bucket_sec = w.bucket_sec AND series.sec = w.sec;

-- name: copy_series
-- The rows of a chat_ts file; its header is written by the caller, who knows the name of the rolling column.
COPY (
    SELECT
        sec,
        chat_count,
        to_char(ts AT TIME ZONE 'UTC', %(clock)s) || '+00:00' AS timestamp,
        rolling,
        donation_count,
        chatters,
        viewers,
        CASE WHEN in_gap THEN 'true' ELSE 'false' END AS in_gap,
        crowd
    FROM series
    WHERE bucket_sec = %(bucket_sec)s
    ORDER BY sec
) TO STDOUT (FORMAT csv);

-- name: read_series
-- The series of one width, for charts.
SELECT
    sec,
    chat_count,
    donation_count,
    viewers,
    in_gap
FROM series
WHERE bucket_sec = %(bucket_sec)s
ORDER BY sec;

-- name: insert_series
-- The rows of a chat_ts_1s.csv that is read back, one array a column.
INSERT INTO series (bucket_sec, sec, ts, chat_count, crowd, in_gap)
SELECT
    1,
    r.sec,
    %(opened_at)s::timestamptz + make_interval(secs => r.sec),
    r.chat_count,
    r.crowd,
    r.in_gap
FROM unnest(
    %(sec)s::integer[], %(chat_count)s::integer[], %(crowd)s::integer[], %(in_gap)s::boolean[]
) AS r (sec, chat_count, crowd, in_gap);
