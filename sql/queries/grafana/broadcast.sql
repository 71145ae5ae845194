-- name: broadcast_header
-- Table of one row: which broadcast this is.
SELECT
    coalesce(c.name, c.channel_id) AS channel,
    b.title,
    b.category,
    b.opened_at,
    b.closed_at,
    c.channel_id,
    b.stream_id,
    (1000 * extract(EPOCH FROM b.opened_at))::bigint::text AS from_ms,
    (1000 * extract(EPOCH FROM coalesce(b.closed_at, now())))::bigint::text AS to_ms
FROM broadcast AS b
INNER JOIN channel AS c ON b.channel_id = c.channel_id
WHERE b.stream_id = ${broadcast:sqlstring};

-- name: broadcast_summary
-- Stats: the broadcast in numbers. Distinct chatters are known once it has ended and its files were made.
SELECT
    extract(EPOCH FROM coalesce(b.closed_at, now()) - b.opened_at)::double precision AS duration_sec,
    coalesce(f.chats, r.chats, 0) AS chats,
    f.chatters,
    coalesce(f.donations, r.donations, 0) AS donations,
    coalesce(f.donation_amount, r.donation_amount, 0)::double precision AS donation_amount,
    v.most_viewers,
    (
        100 - 100 * coalesce(m.missing_sec, 0)
        / nullif(extract(EPOCH FROM coalesce(b.closed_at, now()) - b.opened_at), 0)
    )::double precision AS coverage
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
    SELECT max(s.viewers) AS most_viewers
    FROM viewer_sample AS s
    WHERE
        s.broadcast_id = b.broadcast_id
        AND s.ts >= b.opened_at AND s.ts <= coalesce(b.closed_at, now())
) AS v ON TRUE
LEFT JOIN LATERAL (
    SELECT sum(extract(EPOCH FROM upper(p.part) - lower(p.part))) AS missing_sec
    FROM (
        SELECT
            unnest(
                range_agg(
                    tstzrange(g.from_ts, g.to_ts)
                    * tstzrange(b.opened_at, greatest(b.opened_at, coalesce(b.closed_at, now())))
                )
            ) AS part
        FROM gap AS g
        WHERE g.broadcast_id = b.broadcast_id AND g.repaired_at IS NULL
    ) AS p
) AS m ON TRUE
WHERE b.stream_id = ${broadcast:sqlstring};

-- name: broadcast_chat_rate
-- Series: chats a second as fine as the zoom asks, and their mean over the last minute and the last ten. NULL where
-- nothing is known: before the beginning, after the end, or nothing but a gap.
WITH aired AS (
    SELECT
        broadcast_id,
        greatest(opened_at, $__timeFrom()) AS from_ts,
        least(coalesce(closed_at, now() - INTERVAL '2 seconds'), $__timeTo()) AS to_ts
    FROM broadcast
    WHERE stream_id = ${broadcast:sqlstring}
),

counted AS (
    SELECT
        date_bin($__interval_ms * INTERVAL '1 millisecond', r.bucket, '2000-01-03 00:00:00+09') AS bucket,
        sum(r.chat_count) AS chats
    FROM (
        SELECT
            bucket,
            chat_count
        FROM chat_1s
        WHERE
            $__interval_ms < 60000
            AND broadcast_id = any(array(SELECT broadcast_id FROM aired)) AND $__timeFilter(bucket)
        UNION ALL
        SELECT
            bucket,
            chat_count
        FROM chat_60s
        WHERE
            $__interval_ms >= 60000 AND $__interval_ms < 300000
            AND broadcast_id = any(array(SELECT broadcast_id FROM aired)) AND $__timeFilter(bucket)
        UNION ALL
        SELECT
            bucket,
            chat_count
        FROM chat_300s
        WHERE
            $__interval_ms >= 300000
            AND broadcast_id = any(array(SELECT broadcast_id FROM aired)) AND $__timeFilter(bucket)
    ) AS r
    GROUP BY 1
),

buckets AS (
    SELECT
        g.bucket,
        c.chats,
        greatest(
            extract(
                EPOCH FROM least(g.bucket + $__interval_ms * INTERVAL '1 millisecond', a.to_ts)
                - greatest(g.bucket, a.from_ts)
            ),
            0
        ) - coalesce(m.missing_sec, 0) AS known_sec,
        m.missing_sec
    FROM aired AS a
    CROSS JOIN
        LATERAL generate_series(
            date_bin($__interval_ms * INTERVAL '1 millisecond', a.from_ts, '2000-01-03 00:00:00+09'),
            a.to_ts,
            $__interval_ms * INTERVAL '1 millisecond'
        ) AS g (bucket)
    LEFT JOIN counted AS c ON g.bucket = c.bucket
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
),

known AS (
    SELECT
        bucket,
        CASE WHEN chats > 0 OR missing_sec IS NULL THEN coalesce(chats, 0) END AS chats,
        CASE WHEN chats > 0 OR missing_sec IS NULL THEN ceil(greatest(known_sec, 0)) END AS known_sec
    FROM buckets
)

SELECT
    bucket AS time,
    (chats / nullif(known_sec, 0))::double precision AS rate,
    CASE
        WHEN chats IS NOT NULL AND $__interval_ms < 60000
            THEN sum(chats) OVER last_minute / nullif(sum(known_sec) OVER last_minute, 0)
    END::double precision AS minute_mean,
    CASE
        WHEN chats IS NOT NULL AND $__interval_ms < 600000
            THEN sum(chats) OVER last_ten / nullif(sum(known_sec) OVER last_ten, 0)
    END::double precision AS ten_minute_mean
FROM known
WINDOW
    last_minute AS (
        ORDER BY bucket
        RANGE BETWEEN INTERVAL '59.999 seconds' PRECEDING AND CURRENT ROW
    ),
    last_ten AS (
        ORDER BY bucket
        RANGE BETWEEN INTERVAL '599.999 seconds' PRECEDING AND CURRENT ROW
    )
ORDER BY bucket;

-- name: broadcast_elapsed
-- Series over seconds since the beginning, the whole broadcast: chats a second and their mean over ten minutes, in at
-- most 1,500 steps of whole seconds. NULL in a gap.
WITH aired AS (
    SELECT
        broadcast_id,
        opened_at,
        coalesce(closed_at, now() - INTERVAL '2 seconds') AS to_ts,
        -- from five hours on in steps of minutes, so that the buckets of a minute serve
        CASE
            WHEN coalesce(closed_at, now()) - opened_at < INTERVAL '5 hours'
                THEN greatest(ceil(extract(EPOCH FROM coalesce(closed_at, now()) - opened_at) / 1500), 1)
            ELSE 60 * ceil(extract(EPOCH FROM coalesce(closed_at, now()) - opened_at) / 90000)
        END::integer AS step
    FROM broadcast
    WHERE stream_id = ${broadcast:sqlstring}
),

counted AS (
    SELECT
        greatest(floor(extract(EPOCH FROM r.bucket - a.opened_at) / a.step), 0)::integer AS nth,
        sum(r.chat_count) AS chats
    FROM aired AS a
    INNER JOIN (
        SELECT
            broadcast_id,
            bucket,
            chat_count
        FROM chat_1s
        WHERE
            broadcast_id = any(array(
                SELECT broadcast_id FROM aired
                WHERE step < 60
            ))
            AND bucket >= (SELECT opened_at FROM aired)
            AND bucket <= (SELECT to_ts FROM aired)
        UNION ALL
        SELECT
            broadcast_id,
            bucket,
            chat_count
        FROM chat_60s
        WHERE
            broadcast_id = any(array(
                SELECT broadcast_id FROM aired
                WHERE step >= 60
            ))
            AND bucket >= (SELECT date_trunc('minute', opened_at) FROM aired)
            AND bucket <= (SELECT to_ts FROM aired)
    ) AS r ON a.broadcast_id = r.broadcast_id
    GROUP BY 1
),

steps AS (
    SELECT
        s.nth * a.step AS sec,
        a.step,
        CASE
            WHEN c.chats > 0 THEN c.chats
            WHEN
                NOT EXISTS ( -- noqa: CP03, LT01, LT06
                    SELECT
                    FROM gap AS m
                    WHERE
                        m.broadcast_id = a.broadcast_id
                        AND m.repaired_at IS NULL
                        AND m.from_ts < a.opened_at + (s.nth + 1) * a.step * INTERVAL '1 second'
                        AND coalesce(m.to_ts, 'infinity') > a.opened_at + s.nth * a.step * INTERVAL '1 second'
                )
                THEN 0
        END AS chats
    FROM aired AS a
    CROSS JOIN
        LATERAL generate_series(0, (extract(EPOCH FROM a.to_ts - a.opened_at) / a.step)::integer - 1) AS s (nth)
    LEFT JOIN counted AS c ON s.nth = c.nth
)

SELECT
    sec,
    (chats / step)::double precision AS rate,
    (
        avg(chats / step) OVER (
            ORDER BY sec
            RANGE BETWEEN 599 PRECEDING AND CURRENT ROW
        )
    )::double precision AS ten_minute_mean
FROM steps
ORDER BY sec;

-- name: broadcast_peaks
-- Table: the peaks of the last analysis, by time in the broadcast. The video is shown from 20 s before the rise.
SELECT
    b.opened_at + p.onset_sec * INTERVAL '1 second' AS time,
    p.onset_sec,
    p.method,
    p.rank,
    p.value,
    p.score,
    reasons_text(p.reasons, ${language:sqlstring}) AS reasons,
    v.video_sec,
    v.video_no::text AS video_no,
    v.video_sec::text AS video_from,
    b.channel_id,
    b.stream_id,
    (1000 * (extract(EPOCH FROM b.opened_at) + p.onset_sec - 120))::bigint::text AS from_ms,
    (1000 * (extract(EPOCH FROM b.opened_at) + p.end_sec + 120))::bigint::text AS to_ms,
    (1000 * (extract(EPOCH FROM b.opened_at) + p.start_sec))::bigint::text AS moment_ms
FROM peak AS p
INNER JOIN broadcast AS b ON p.broadcast_id = b.broadcast_id
LEFT JOIN
    LATERAL
    video_moment(b.broadcast_id, b.opened_at + greatest(p.onset_sec - 20, 0) * INTERVAL '1 second') AS v
    ON TRUE
WHERE b.stream_id = ${broadcast:sqlstring} AND p.rank <= 25
ORDER BY p.method DESC, p.rank;

-- name: broadcast_chatters
-- Series: distinct chatters within a minute, the mean and the most in a wider bucket.
SELECT
    date_bin($__interval_ms * INTERVAL '1 millisecond', r.bucket, '2000-01-03 00:00:00+09') AS time,
    avg(r.chatters)::double precision AS chatters,
    max(r.chatters)::double precision AS most
FROM chat_60s AS r
WHERE
    r.broadcast_id = any(array(
        SELECT broadcast_id FROM broadcast
        WHERE stream_id = ${broadcast:sqlstring}
    ))
    AND $__timeFilter(r.bucket)
GROUP BY 1
ORDER BY 1;

-- name: broadcast_donations
-- Bars: KRW donated by bucket, and their sum since the beginning of the range.
WITH given AS (
    SELECT
        date_bin($__interval_ms * INTERVAL '1 millisecond', bucket, '2000-01-03 00:00:00+09') AS bucket,
        sum(donation_amount) AS amount
    FROM chat_60s
    WHERE
        broadcast_id = any(array(
            SELECT broadcast_id FROM broadcast
            WHERE stream_id = ${broadcast:sqlstring}
        ))
        AND $__timeFilter(bucket)
        AND donation_amount > 0
    GROUP BY 1
)

SELECT
    bucket AS time,
    amount::double precision AS amount,
    sum(amount) OVER (ORDER BY bucket)::double precision AS total
FROM given
ORDER BY bucket;

-- name: broadcast_viewers
-- Series: viewers, the mean of the samples in a bucket.
SELECT
    date_bin($__interval_ms * INTERVAL '1 millisecond', ts, '2000-01-03 00:00:00+09') AS time,
    avg(viewers)::double precision AS viewers
FROM viewer_sample
WHERE
    broadcast_id = any(array(
        SELECT broadcast_id FROM broadcast
        WHERE stream_id = ${broadcast:sqlstring}
    ))
    AND $__timeFilter(ts)
GROUP BY 1
ORDER BY 1;

-- name: broadcast_changes
-- Table: changes of title and category, and when.
SELECT
    x.ts AS time,
    extract(EPOCH FROM x.ts - b.opened_at)::double precision AS elapsed_sec,
    x.title,
    x.category
FROM broadcast_change AS x
INNER JOIN broadcast AS b ON x.broadcast_id = b.broadcast_id
WHERE b.stream_id = ${broadcast:sqlstring}
ORDER BY x.ts
LIMIT 200;

-- name: broadcast_messages
-- Table: what was said within 15 s of the clicked moment (a variable, ms since 1970); without one, of the best peak
-- in the range, else of its end. Blinded messages are not shown.
WITH chosen AS (
    SELECT
        b.broadcast_id,
        b.opened_at,
        least(coalesce(b.closed_at, now()), $__timeTo()) AS shown_to,
        CASE WHEN ${moment:sqlstring} ~ '^\d{1,13}$' THEN left(${moment:sqlstring}, 13) END::bigint AS moment_ms
    FROM broadcast AS b
    WHERE b.stream_id = ${broadcast:sqlstring}
),

centre AS (
    SELECT
        c.broadcast_id,
        c.opened_at,
        coalesce(
            to_timestamp(c.moment_ms / 1000.0),
            (
                SELECT c.opened_at + (p.start_sec + 15) * INTERVAL '1 second'
                FROM peak AS p
                WHERE
                    p.broadcast_id = c.broadcast_id
                    AND $__timeFilter(c.opened_at + p.start_sec * INTERVAL '1 second')
                ORDER BY p.score DESC
                LIMIT 1
            ),
            c.shown_to - INTERVAL '15 seconds'
        ) AS moment
    FROM chosen AS c
)

SELECT
    e.ts AS time,
    floor(extract(EPOCH FROM e.ts - c.opened_at))::double precision AS elapsed_sec,
    e.nickname,
    e.content,
    e.kind,
    e.amount
FROM centre AS c
CROSS JOIN
    LATERAL (
        SELECT
            d.ts,
            d.nickname,
            d.content,
            d.kind,
            d.amount,
            d.event_key
        FROM event AS d
        WHERE
            d.broadcast_id = c.broadcast_id
            AND d.ts >= c.moment - INTERVAL '15 seconds'
            AND d.ts < c.moment + INTERVAL '15 seconds'
            AND NOT d.hidden
            AND d.content IS NOT NULL
        ORDER BY abs(extract(EPOCH FROM d.ts - c.moment)), d.event_key
        LIMIT 200
    ) AS e
ORDER BY e.ts, e.event_key;

-- name: annotate_broadcast_peaks
-- Annotation: the broadcast's peaks, and why.
SELECT
    b.opened_at + p.onset_sec * INTERVAL '1 second' AS time,
    b.opened_at + p.end_sec * INTERVAL '1 second' AS timeend,
    p.value || ' · ' || reasons_text(p.reasons, ${language:sqlstring}) AS text,
    p.method AS tags
FROM peak AS p
INNER JOIN broadcast AS b ON p.broadcast_id = b.broadcast_id
WHERE
    b.stream_id = ${broadcast:sqlstring} AND p.rank <= 15
    AND $__timeFilter(b.opened_at + p.onset_sec * INTERVAL '1 second')
ORDER BY time;

-- name: annotate_broadcast_gaps
-- Annotation: what of the broadcast was not collected, as regions.
SELECT
    m.from_ts AS time,
    least(coalesce(m.to_ts, b.closed_at, now()), now()) AS timeend,
    cause_text(m.cause, ${language:sqlstring}) AS text,
    'gap' AS tags
FROM gap AS m
INNER JOIN broadcast AS b ON m.broadcast_id = b.broadcast_id
WHERE
    b.stream_id = ${broadcast:sqlstring}
    AND m.repaired_at IS NULL
    AND m.from_ts < $__timeTo()
    AND coalesce(m.to_ts, 'infinity') > $__timeFrom()
ORDER BY m.from_ts
LIMIT 200;

-- name: annotate_broadcast_changes
-- Annotation: where the broadcast changed its title or category.
SELECT
    x.ts AS time,
    concat_ws(' · ', x.title, x.category) AS text,
    'title' AS tags
FROM broadcast_change AS x
INNER JOIN broadcast AS b ON x.broadcast_id = b.broadcast_id
WHERE b.stream_id = ${broadcast:sqlstring} AND $__timeFilter(x.ts)
ORDER BY x.ts
LIMIT 100;
