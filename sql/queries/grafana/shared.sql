-- name: choose_channel
-- Variable: every channel, by name.
SELECT
    coalesce(name, channel_id) AS __text,
    channel_id AS __value
FROM channel
ORDER BY __text, __value;

-- name: choose_broadcast
-- Variable: the broadcasts of the chosen channel, newest first.
SELECT
    to_char(opened_at AT TIME ZONE 'Asia/Seoul', 'YYYY-MM-DD HH24:MI')
    || CASE WHEN closed_at IS NULL THEN ' ● ' ELSE '  ' END
    || coalesce(title, '') AS __text,
    stream_id AS __value
FROM broadcast
WHERE channel_id = ${channel:sqlstring}
ORDER BY opened_at DESC
LIMIT 500;

-- name: annotate_peaks
-- Annotation: where the chat of the chosen channels erupted, and why. Of analysed broadcasts their best peaks,
-- of those on air the surges of the last 20 minutes.
WITH analysed AS (
    SELECT
        coalesce(c.name, c.channel_id) AS channel,
        b.opened_at,
        p.onset_sec,
        p.end_sec,
        p.value,
        p.score,
        p.reasons
    FROM peak AS p
    INNER JOIN broadcast AS b ON p.broadcast_id = b.broadcast_id
    INNER JOIN channel AS c ON b.channel_id = c.channel_id
    WHERE
        p.broadcast_id = any(
            array(
                SELECT broadcast_id
                FROM broadcast
                WHERE
                    channel_id = any(ARRAY[${channel:sqlstring}]::text[])
                    AND opened_at < $__timeTo()
                    AND coalesce(closed_at, 'infinity') > $__timeFrom()
            )
        )
        AND p.rank <= 10
        AND $__timeFilter(b.opened_at + p.onset_sec * INTERVAL '1 second')
    ORDER BY p.score DESC
    LIMIT 100
),

on_air AS (
    SELECT
        b.broadcast_id,
        coalesce(c.name, c.channel_id) AS channel,
        date_trunc('second', greatest(b.opened_at, now() - INTERVAL '20 minutes')) AS from_ts,
        m.missing
    FROM broadcast AS b
    INNER JOIN channel AS c ON b.channel_id = c.channel_id
    LEFT JOIN LATERAL (
        SELECT range_agg(tstzrange(g.from_ts, g.to_ts)) AS missing
        FROM gap AS g
        WHERE g.broadcast_id = b.broadcast_id AND g.repaired_at IS NULL
    ) AS m ON TRUE
    WHERE b.channel_id = any(ARRAY[${channel:sqlstring}]::text[]) AND b.closed_at IS NULL
),

seconds AS (
    SELECT
        o.channel,
        o.from_ts,
        array_agg(coalesce(r.chat_count, 0)::integer ORDER BY s.bucket) AS counts,
        -- who writes twice in a second counts once: nobody alone is a surge
        array_agg(coalesce(r.chatters, 0)::integer ORDER BY s.bucket) AS crowd,
        array_agg(
            coalesce(tstzrange(s.bucket, s.bucket + INTERVAL '1 second') && o.missing, FALSE) ORDER BY s.bucket
        ) AS in_gap
    FROM on_air AS o
    CROSS JOIN LATERAL generate_series(o.from_ts, now() - INTERVAL '2 seconds', INTERVAL '1 second') AS s (bucket)
    LEFT JOIN (
        SELECT
            broadcast_id,
            bucket,
            chat_count,
            chatters
        FROM chat_1s
        WHERE broadcast_id = any(array(SELECT broadcast_id FROM on_air)) AND bucket > now() - INTERVAL '21 minutes'
    ) AS r ON o.broadcast_id = r.broadcast_id AND s.bucket = r.bucket
    WHERE $__timeTo() > now() - INTERVAL '20 minutes'
    GROUP BY o.channel, o.from_ts
),

shown AS (
    SELECT
        channel,
        opened_at,
        onset_sec,
        end_sec,
        value,
        score,
        reasons
    FROM analysed
    UNION ALL
    SELECT
        s.channel,
        s.from_ts AS opened_at,
        p.onset_sec,
        p.end_sec,
        p.value,
        p.score,
        p.reasons
    FROM seconds AS s
    CROSS JOIN LATERAL surge_peaks(s.counts, s.in_gap, s.crowd, 60, 10, 4.5) AS p
)

SELECT
    opened_at + onset_sec * INTERVAL '1 second' AS time,
    opened_at + end_sec * INTERVAL '1 second' AS timeend,
    channel || ': ' || value || ' · ' || reasons_text(reasons, ${language:sqlstring}) AS text,
    channel AS tags
FROM shown
ORDER BY time;

-- name: annotate_gaps
-- Annotation: what of the chosen channels was not collected, as regions; the longest where there are many.
WITH missing AS (
    SELECT
        coalesce(c.name, c.channel_id) AS channel,
        m.from_ts,
        least(coalesce(m.to_ts, b.closed_at, now()), now()) AS to_ts,
        m.cause
    FROM gap AS m
    INNER JOIN broadcast AS b ON m.broadcast_id = b.broadcast_id
    INNER JOIN channel AS c ON b.channel_id = c.channel_id
    WHERE
        b.channel_id = any(ARRAY[${channel:sqlstring}]::text[])
        AND m.repaired_at IS NULL
        AND m.from_ts < $__timeTo()
        AND coalesce(m.to_ts, b.closed_at, 'infinity') > $__timeFrom()
)

SELECT
    from_ts AS time,
    to_ts AS timeend,
    channel || ': ' || cause_text(cause, ${language:sqlstring}) AS text,
    channel AS tags
FROM missing
ORDER BY to_ts - from_ts DESC
LIMIT 100;
