-- name: health_now
-- Stats: can the collection be trusted. Coverage is of the chosen channels' time on air in the range.
WITH aired AS (
    SELECT
        b.broadcast_id,
        greatest(b.opened_at, $__timeFrom()) AS from_ts,
        least(coalesce(b.closed_at, now()), $__timeTo()) AS to_ts
    FROM broadcast AS b
    WHERE
        b.channel_id = any(ARRAY[${channel:sqlstring}]::text[])
        AND b.opened_at < $__timeTo()
        AND coalesce(b.closed_at, 'infinity') > $__timeFrom()
),

missing AS (
    SELECT sum(extract(EPOCH FROM upper(p.part) - lower(p.part))) AS sec
    FROM (
        SELECT unnest(range_agg(tstzrange(g.from_ts, g.to_ts) * tstzrange(a.from_ts, a.to_ts))) AS part
        FROM aired AS a
        INNER JOIN gap AS g ON a.broadcast_id = g.broadcast_id
        WHERE g.repaired_at IS NULL AND a.from_ts < a.to_ts
        GROUP BY a.broadcast_id
    ) AS p
)

SELECT
    (
        SELECT
            100 - 100 * coalesce((SELECT m.sec FROM missing AS m), 0)
            / nullif(sum(extract(EPOCH FROM a.to_ts - a.from_ts)), 0)
        FROM aired AS a
    )::double precision AS coverage,
    (
        SELECT count(*)
        FROM gap AS g
        INNER JOIN broadcast AS b ON g.broadcast_id = b.broadcast_id
        WHERE g.to_ts IS NULL AND g.repaired_at IS NULL AND b.closed_at IS NULL
    ) AS open_gaps,
    (
        SELECT count(*) FROM collector_status
        WHERE heartbeat_at > now() - INTERVAL '1 minute' AND stopped_at IS NULL)
        AS collectors,
    (SELECT extract(EPOCH FROM now() - max(heartbeat_at)) FROM collector_status)::double precision AS heartbeat_age_sec,
    (
        SELECT max(delay_sec) FROM collector_status
        WHERE heartbeat_at > now() - INTERVAL '1 minute'
    ) AS delay_sec,
    (
        SELECT sum(spool_bytes) FROM collector_status
        WHERE heartbeat_at > now() - INTERVAL '1 day')::double precision
        AS spool_bytes,
    (
        SELECT sum(dropped) FROM collector_status
        WHERE heartbeat_at > now() - INTERVAL '1 day')::double precision
        AS dropped,
    pg_database_size(current_database())::double precision AS database_bytes;

-- name: health_coverage
-- Bars: coverage in percent by channel, of its time on air in the range; the least first.
WITH aired AS (
    SELECT
        b.broadcast_id,
        b.channel_id,
        greatest(b.opened_at, $__timeFrom()) AS from_ts,
        least(coalesce(b.closed_at, now()), $__timeTo()) AS to_ts
    FROM broadcast AS b
    WHERE
        b.channel_id = any(ARRAY[${channel:sqlstring}]::text[])
        AND b.opened_at < $__timeTo()
        AND coalesce(b.closed_at, 'infinity') > $__timeFrom()
),

missing AS (
    SELECT
        p.broadcast_id,
        sum(extract(EPOCH FROM upper(p.part) - lower(p.part))) AS sec
    FROM (
        SELECT
            a.broadcast_id,
            unnest(range_agg(tstzrange(g.from_ts, g.to_ts) * tstzrange(a.from_ts, a.to_ts))) AS part
        FROM aired AS a
        INNER JOIN gap AS g ON a.broadcast_id = g.broadcast_id
        WHERE g.repaired_at IS NULL AND a.from_ts < a.to_ts
        GROUP BY a.broadcast_id
    ) AS p
    GROUP BY p.broadcast_id
)

SELECT
    coalesce(c.name, c.channel_id) AS channel,
    (100 - 100 * coalesce(sum(m.sec), 0) / nullif(sum(extract(EPOCH FROM a.to_ts - a.from_ts)), 0))::double precision
        AS coverage
FROM aired AS a
INNER JOIN channel AS c ON a.channel_id = c.channel_id
LEFT JOIN missing AS m ON a.broadcast_id = m.broadcast_id
GROUP BY c.channel_id
ORDER BY coverage, channel;

-- name: health_gaps
-- Table: the latest gaps in the range, with where they are.
SELECT
    m.from_ts AS time,
    coalesce(c.name, c.channel_id) AS channel,
    extract(EPOCH FROM least(coalesce(m.to_ts, b.closed_at, now()), now()) - m.from_ts)::double precision
        AS missing_sec,
    cause_text(m.cause, ${language:sqlstring}) AS cause,
    CASE WHEN m.repaired_at IS NOT NULL THEN 'repaired' WHEN m.to_ts IS NULL THEN 'open' ELSE 'missing' END AS state,
    b.channel_id,
    b.stream_id,
    (1000 * extract(EPOCH FROM m.from_ts) - 300000)::bigint::text AS from_ms,
    (1000 * extract(EPOCH FROM least(coalesce(m.to_ts, b.closed_at, now()), now())) + 300000)::bigint::text AS to_ms
FROM gap AS m
INNER JOIN broadcast AS b ON m.broadcast_id = b.broadcast_id
INNER JOIN channel AS c ON b.channel_id = c.channel_id
WHERE
    b.channel_id = any(ARRAY[${channel:sqlstring}]::text[])
    AND m.from_ts < $__timeTo()
    AND coalesce(m.to_ts, b.closed_at, 'infinity') > $__timeFrom()
ORDER BY m.from_ts DESC
LIMIT 100;

-- name: health_missing
-- Bars: seconds that were not collected, by cause, where their gap began.
SELECT
    date_bin($__interval_ms * INTERVAL '1 millisecond', m.from_ts, '2000-01-03 00:00:00+09') AS time,
    cause_text(m.cause, ${language:sqlstring}) AS cause,
    sum(extract(EPOCH FROM least(coalesce(m.to_ts, b.closed_at, now()), now()) - m.from_ts))::double precision AS value
FROM gap AS m
INNER JOIN broadcast AS b ON m.broadcast_id = b.broadcast_id
WHERE
    b.channel_id = any(ARRAY[${channel:sqlstring}]::text[])
    AND m.repaired_at IS NULL
    AND $__timeFilter(m.from_ts)
GROUP BY 1, 2
ORDER BY 1, 2;

-- name: health_reconnects
-- Bars: connections that ended while the broadcast went on, by cause.
SELECT
    date_bin($__interval_ms * INTERVAL '1 millisecond', k.disconnected_at, '2000-01-03 00:00:00+09') AS time,
    cause_text(coalesce(k.cause, 'unknown'), ${language:sqlstring}) AS cause,
    count(*)::double precision AS value
FROM connection AS k
INNER JOIN broadcast AS b ON k.broadcast_id = b.broadcast_id
WHERE
    b.channel_id = any(ARRAY[${channel:sqlstring}]::text[])
    AND $__timeFilter(k.disconnected_at)
    AND k.disconnected_at < coalesce(b.closed_at, 'infinity')
GROUP BY 1, 2
ORDER BY 1, 2;

-- name: health_rows
-- Series: chats and donations stored a second, of all channels; NULL where a whole bucket is empty.
WITH stored AS (
    SELECT
        bucket,
        chat_count + donation_count AS amount
    FROM chat_60s
    WHERE $__interval_ms < 300000 AND $__timeFilter(bucket) AND bucket < date_trunc('minute', now())
    UNION ALL
    SELECT
        bucket,
        chat_count + donation_count AS amount
    FROM chat_300s
    WHERE $__interval_ms >= 300000 AND $__timeFilter(bucket) AND bucket < now() - INTERVAL '5 minutes'
),

counted AS (
    SELECT
        date_bin($__interval_ms * INTERVAL '1 millisecond', bucket, '2000-01-03 00:00:00+09') AS bucket,
        sum(amount) AS amount
    FROM stored
    GROUP BY 1
)

SELECT
    g.bucket AS time,
    (c.amount * 1000 / $__interval_ms)::double precision AS rows_per_sec
FROM
    generate_series(
        date_bin($__interval_ms * INTERVAL '1 millisecond', $__timeFrom(), '2000-01-03 00:00:00+09'),
        $__timeTo(),
        $__interval_ms * INTERVAL '1 millisecond'
    ) AS g (bucket)
LEFT JOIN counted AS c ON g.bucket = c.bucket
ORDER BY g.bucket;

-- name: health_delay
-- Series: from Chzzk's time of a message to its receipt, the median and the slowest twentieth, of live messages. A
-- sample, the first second of every bucket, of the last six hours: what is older may be packed, and slow to look up.
WITH aired AS (
    SELECT broadcast_id
    FROM broadcast
    WHERE
        channel_id = any(ARRAY[${channel:sqlstring}]::text[])
        AND opened_at < $__timeTo()
        AND coalesce(closed_at, 'infinity') > greatest($__timeFrom(), now() - INTERVAL '6 hours')
)

SELECT
    g.bucket AS time,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY e.delay_sec) AS median,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY e.delay_sec) AS slowest
FROM
    generate_series(
        date_bin(
            $__interval_ms * INTERVAL '1 millisecond',
            greatest($__timeFrom(), now() - INTERVAL '6 hours'),
            '2000-01-03 00:00:00+09'
        ),
        least($__timeTo(), now()),
        $__interval_ms * INTERVAL '1 millisecond'
    ) AS g (bucket)
CROSS JOIN aired AS a
CROSS JOIN
    LATERAL (
        SELECT extract(EPOCH FROM d.received_at - d.ts)::double precision AS delay_sec
        FROM event AS d
        WHERE
            d.broadcast_id = a.broadcast_id
            AND d.ts >= g.bucket
            AND d.ts < g.bucket + INTERVAL '1 second'
            AND d.ts > now() - INTERVAL '6 hours'
            AND $__timeFilter(d.ts)
            AND d.source = 'live'
            AND d.received_at IS NOT NULL
        ORDER BY d.ts
        LIMIT 20
    ) AS e
GROUP BY g.bucket
ORDER BY g.bucket;

-- name: health_collectors
-- Table: the collectors of the last day, the one that was silent longest first.
SELECT
    collector_id,
    CASE
        WHEN stopped_at IS NOT NULL THEN 'stopped'
        WHEN heartbeat_at < now() - INTERVAL '1 minute' THEN 'silent'
        ELSE 'running'
    END AS state,
    extract(EPOCH FROM now() - heartbeat_at)::double precision AS heartbeat_age_sec,
    extract(EPOCH FROM coalesce(stopped_at, heartbeat_at) - started_at)::double precision AS up_sec,
    channels,
    live,
    events,
    rejected,
    dropped,
    queued,
    spool_bytes::double precision AS spool_bytes,
    delay_sec
FROM collector_status
WHERE heartbeat_at > now() - INTERVAL '1 day'
ORDER BY heartbeat_at
LIMIT 50;

-- name: health_storage
-- Table: how much room the relations take, the largest first.
SELECT
    relation,
    bytes::double precision AS bytes,
    chunks,
    compressed_chunks,
    (bytes_before::double precision / nullif(bytes_after, 0)) AS compression
FROM storage
ORDER BY bytes DESC;

-- name: health_jobs
-- Table: the database's own jobs, the latest first; none without TimescaleDB.
SELECT
    job,
    relation,
    last_success_at,
    next_start_at,
    late_sec,
    failures,
    last_error
FROM job
ORDER BY late_sec DESC, job, relation;

-- name: alert_collector_stale
-- Alert: seconds since any collector gave a sign of life; none at all counts as a day.
SELECT
    coalesce(
        extract(EPOCH FROM now() - (
            SELECT max(heartbeat_at) FROM collector_status
            WHERE stopped_at IS NULL
        )), 86400
    )::double precision AS value;

-- name: alert_gap_open
-- Alert: seconds for which the longest open gap of a broadcast on air has lasted; 0 without one.
SELECT coalesce(max(extract(EPOCH FROM now() - m.from_ts)), 0)::double precision AS value
FROM gap AS m
INNER JOIN broadcast AS b ON m.broadcast_id = b.broadcast_id
WHERE m.to_ts IS NULL AND m.repaired_at IS NULL AND b.closed_at IS NULL;

-- name: alert_job_late
-- Alert: seconds by which the latest of the database's own jobs is late, a failing one counts as a day; 0 without jobs.
SELECT
    coalesce(max(greatest(late_sec, CASE WHEN last_error IS NOT NULL THEN 86400 ELSE 0 END)), 0)::double precision
        AS value
FROM job;

-- name: alert_disk
-- Alert: the database's size and what waits in the collectors' spools, in bytes.
SELECT
    (
        pg_database_size(current_database())
        + coalesce((
            SELECT sum(spool_bytes) FROM collector_status
            WHERE heartbeat_at > now() - INTERVAL '1 day'
        ), 0)
    )::double precision AS value;
