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

-- name: create_second
-- What is counted of each second in which somebody wrote or gave; everything wider is a sum of these.
CREATE TEMP TABLE second (
    sec integer NOT NULL, -- since opened_at
    chat_count bigint NOT NULL,
    donation_count bigint NOT NULL,
    chatters_1s bigint NOT NULL, -- chats that are their author's first in this second
    chatters_60s bigint NOT NULL, -- .. in this bucket of 60 s: their sum over it is its number of authors
    chatters_300s bigint NOT NULL, -- .. in this bucket of 300 s
    newcomers bigint NOT NULL, -- .. in the broadcast
    repeats bigint NOT NULL -- chats of whoever wrote most in the half minute, but for their first in it
);

-- name: fill_second
-- Counts a broadcast from second 0 on. One sort, by author and time, serves it all: a chat is its author's first in a
-- bucket if the one before it lies in another.
INSERT INTO second
WITH said AS MATERIALIZED (
    SELECT
        n.sec,
        n.slot,
        n.author,
        lag(n.sec) OVER (PARTITION BY n.author ORDER BY n.slot, n.sec) AS previous_sec,
        row_number() OVER (PARTITION BY n.author, n.slot ORDER BY n.sec) AS nth
    FROM (
        SELECT
            hashtextextended(user_id, 0) AS author, -- 64 bits tell the authors of one broadcast apart
            floor(date_part('epoch', ts - %(opened_at)s::timestamptz))::integer AS sec,
            floor(date_part('epoch', ts - %(opened_at)s::timestamptz) / 30)::integer AS slot
        FROM event
        WHERE broadcast_id = %(broadcast_id)s AND kind = 'chat' AND ts >= %(opened_at)s::timestamptz
    ) AS n
),

counted AS (
    SELECT
        sec,
        count(*) AS chat_count,
        count(*) FILTER (
            WHERE author IS NOT NULL AND (previous_sec IS NULL OR previous_sec < sec)
        ) AS chatters_1s,
        count(*) FILTER (
            WHERE author IS NOT NULL AND (previous_sec IS NULL OR previous_sec / 60 < sec / 60)
        ) AS chatters_60s,
        count(*) FILTER (
            WHERE author IS NOT NULL AND (previous_sec IS NULL OR previous_sec / 300 < sec / 300)
        ) AS chatters_300s,
        count(*) FILTER (WHERE author IS NOT NULL AND previous_sec IS NULL) AS newcomers
    FROM said
    GROUP BY sec
),

-- of each half minute, everybody who wrote as much as anybody, if that is more than once
loudest AS (
    SELECT
        w.slot,
        w.author
    FROM (
        SELECT
            slot,
            author,
            max(nth) AS chats,
            max(max(nth)) OVER (PARTITION BY slot) AS most
        FROM said
        WHERE nth > 1 AND author IS NOT NULL
        GROUP BY slot, author
    ) AS w
    WHERE w.chats = w.most
),

loud AS (
    SELECT
        s.sec,
        count(*) AS repeats
    FROM said AS s
    INNER JOIN loudest AS l ON s.slot = l.slot AND s.author = l.author
    WHERE s.nth > 1
    GROUP BY s.sec
),

donated AS (
    SELECT
        floor(date_part('epoch', ts - %(opened_at)s::timestamptz))::integer AS sec,
        count(*) AS donation_count
    FROM event
    WHERE broadcast_id = %(broadcast_id)s AND kind = 'donation' AND ts >= %(opened_at)s::timestamptz
    GROUP BY 1
)

SELECT
    coalesce(c.sec, d.sec),
    coalesce(c.chat_count, 0),
    coalesce(d.donation_count, 0),
    coalesce(c.chatters_1s, 0),
    coalesce(c.chatters_60s, 0),
    coalesce(c.chatters_300s, 0),
    coalesce(c.newcomers, 0),
    coalesce(l.repeats, 0)
FROM counted AS c
FULL JOIN donated AS d ON c.sec = d.sec
LEFT JOIN loud AS l ON c.sec = l.sec;

-- name: fill_series
-- One row a bucket of 1, 60 or 300 s from second 0 to the end, silent ones included.
INSERT INTO series
WITH counted AS (
    SELECT
        sec / %(bucket_sec)s * %(bucket_sec)s AS sec,
        sum(chat_count) AS chat_count,
        sum(chat_count - repeats) AS crowd,
        sum(donation_count) AS donation_count,
        sum(CASE %(bucket_sec)s WHEN 1 THEN chatters_1s WHEN 60 THEN chatters_60s ELSE chatters_300s END) AS chatters
    FROM second
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
        coalesce(to_ts, 'infinity') AS to_ts
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
        coalesce(c.crowd, 0) AS crowd,
        coalesce(c.donation_count, 0) AS donation_count,
        coalesce(c.chatters, 0) AS chatters,
        w.viewers,
        b.in_gap
    FROM buckets AS b
    LEFT JOIN counted AS c ON b.sec = c.sec
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
    CASE WHEN chat_count IS NOT NULL THEN crowd END
FROM known;

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
-- The series of one width, for charts: one array a column, for rows of Python objects would take the memory of a chart.
SELECT
    array_agg(sec ORDER BY sec) AS sec,
    array_agg(chat_count ORDER BY sec) AS chat_count,
    array_agg(donation_count ORDER BY sec) AS donation_count,
    array_agg(viewers ORDER BY sec) AS viewers,
    array_agg(in_gap ORDER BY sec) AS in_gap
FROM series
WHERE bucket_sec = %(bucket_sec)s;

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
