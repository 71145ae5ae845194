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
    crowd integer, -- chat_count with whoever wrote most in each half minute counted once: nobody alone is a surge
    PRIMARY KEY (bucket_sec, sec)
);

-- name: create_said
-- Who wrote when: every chat of the broadcast as small numbers, so that it can be counted again and again.
CREATE TEMP TABLE said (
    sec integer NOT NULL, -- since opened_at
    chatter bigint, -- 64-bit digest of the author's id; NULL: nobody knows who
    previous_sec integer, -- of the same author's chat before; NULL for the first
    nth integer NOT NULL -- of the same author's chats in this half minute, from 1
);

CREATE TEMP TABLE gave (
    sec integer NOT NULL -- of each donation, since opened_at
);

-- name: fill_said
-- The chats of the broadcast, from second 0 on. One sort, by author and time, serves all that is counted later: a chat
-- is its author's first in a bucket if the one before it lies in another.
INSERT INTO said (sec, chatter, previous_sec, nth)
SELECT
    n.sec,
    n.chatter,
    lag(n.sec) OVER (PARTITION BY n.chatter ORDER BY n.slot, n.sec),
    row_number() OVER (PARTITION BY n.chatter, n.slot ORDER BY n.sec)
FROM (
    SELECT
        hashtextextended(user_id, 0) AS chatter,
        floor(date_part('epoch', ts - %(opened_at)s::timestamptz))::integer AS sec,
        floor(date_part('epoch', ts - %(opened_at)s::timestamptz) / 30)::integer AS slot
    FROM event
    WHERE broadcast_id = %(broadcast_id)s AND kind = 'chat' AND ts >= %(opened_at)s::timestamptz
) AS n;

-- name: fill_gave
-- The donations of the broadcast, from second 0 on.
INSERT INTO gave (sec)
SELECT floor(date_part('epoch', ts - %(opened_at)s::timestamptz))::integer
FROM event
WHERE broadcast_id = %(broadcast_id)s AND kind = 'donation' AND ts >= %(opened_at)s::timestamptz;

-- name: fill_series
-- One row a bucket from second 0 to the end, silent ones included.
INSERT INTO series
WITH counted AS (
    SELECT
        sec / %(bucket_sec)s * %(bucket_sec)s AS sec,
        count(*) AS chat_count,
        count(*) FILTER (
            WHERE chatter IS NOT NULL
            AND (previous_sec IS NULL OR previous_sec / %(bucket_sec)s < sec / %(bucket_sec)s)
        ) AS chatters
    FROM said
    GROUP BY 1
),

donated AS (
    SELECT
        sec / %(bucket_sec)s * %(bucket_sec)s AS sec,
        count(*) AS donation_count
    FROM gave
    GROUP BY 1
),

watched AS (
    SELECT
        floor(date_part('epoch', ts - %(opened_at)s::timestamptz) / %(bucket_sec)s)::integer
        * %(bucket_sec)s AS sec,
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
        EXISTS ( -- noqa: CP03, LT01, LT06
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
        coalesce(d.donation_count, 0) AS donation_count,
        coalesce(c.chatters, 0) AS chatters,
        w.viewers,
        b.in_gap
    FROM buckets AS b
    LEFT JOIN counted AS c ON b.sec = c.sec
    LEFT JOIN donated AS d ON b.sec = d.sec
    LEFT JOIN watched AS w ON b.sec = w.sec
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
-- The crowd of each second: its chats, but of whoever wrote most in the half minute only the first; of each of them,
-- where several wrote as much.
WITH loudest AS (
    SELECT
        w.slot,
        w.chatter
    FROM (
        SELECT
            sec / 30 AS slot,
            chatter,
            max(nth) AS chats,
            max(max(nth)) OVER (PARTITION BY sec / 30) AS most
        FROM said
        WHERE nth > 1 AND chatter IS NOT NULL
        GROUP BY 1, 2
    ) AS w
    WHERE w.chats = w.most
),

loud AS (
    SELECT
        s.sec,
        count(*) AS chats
    FROM said AS s
    INNER JOIN loudest AS l ON s.sec / 30 = l.slot AND s.chatter = l.chatter
    WHERE s.nth > 1
    GROUP BY s.sec
)

UPDATE series
SET crowd = series.chat_count - coalesce(loud.chats, 0) -- NULL in a gap, where greatest() would say 0
FROM series AS s
LEFT JOIN loud ON s.sec = loud.sec
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
