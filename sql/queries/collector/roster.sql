-- name: report_collector
-- The collector is alive, and this is how it is doing.
INSERT INTO collector_status (
    collector_id, started_at, heartbeat_at, stopped_at, channels, live, events, rejected, queued, last_commit_at,
    dropped, spool_bytes, delay_sec
)
VALUES (
    $1::TEXT,
    $2::TIMESTAMPTZ,
    $3::TIMESTAMPTZ,
    $4::TIMESTAMPTZ,
    $5::INTEGER,
    $6::INTEGER,
    $7::BIGINT,
    $8::BIGINT,
    $9::INTEGER,
    $10::TIMESTAMPTZ,
    $11::BIGINT,
    $12::BIGINT,
    $13::DOUBLE PRECISION
)
ON CONFLICT (collector_id) DO UPDATE
    SET
        started_at = excluded.started_at,
        heartbeat_at = excluded.heartbeat_at,
        stopped_at = excluded.stopped_at,
        channels = excluded.channels,
        live = excluded.live,
        events = excluded.events,
        rejected = excluded.rejected,
        queued = excluded.queued,
        last_commit_at = excluded.last_commit_at,
        dropped = excluded.dropped,
        spool_bytes = excluded.spool_bytes,
        delay_sec = excluded.delay_sec;

-- name: lock_leases
-- One collector at a time looks at the leases: two must not find the same channel free. Ends with the transaction.
SELECT pg_advisory_xact_lock(6055002);

-- name: renew_leases
-- Mine are mine for so many more seconds, even if they have run out meanwhile; $4: those that are on air.
UPDATE channel_lease
SET
    expires_at = now() + make_interval(secs => $3::DOUBLE PRECISION),
    live = channel_id = any($4::TEXT[])
WHERE collector_id = $1::TEXT AND channel_id = any($2::TEXT[]);

-- name: take_free_channels
-- Whatever nobody holds is taken at once: a channel that nobody watches loses chat.
INSERT INTO channel_lease (channel_id, collector_id, expires_at)
SELECT
    wanted.channel_id,
    $1::TEXT,
    now() + make_interval(secs => $3::DOUBLE PRECISION)
FROM unnest($2::TEXT[]) AS wanted (channel_id)
ON CONFLICT (channel_id) DO UPDATE
    SET
        collector_id = excluded.collector_id,
        live = FALSE,
        taken_at = now(),
        expires_at = excluded.expires_at
    WHERE channel_lease.expires_at < now();

-- name: take_over_channels
-- Who holds at least two fewer than another takes over half the difference, of what it wants itself, channels off air
-- first. The other sees it at its next look: for those seconds both collect, and nothing is lost.
WITH held AS (
    SELECT
        collector_id,
        count(*) AS channels
    FROM channel_lease
    WHERE expires_at >= now()
    GROUP BY collector_id
),

richest AS (
    SELECT
        held.collector_id,
        greatest(held.channels - coalesce(mine.channels, 0), 0) / 2 AS too_many
    FROM held
    LEFT JOIN held AS mine ON mine.collector_id = $1::TEXT
    WHERE held.collector_id <> $1::TEXT
    ORDER BY held.channels DESC, held.collector_id
    LIMIT 1
),

surplus AS (
    SELECT l.channel_id
    FROM channel_lease AS l
    INNER JOIN richest AS r ON l.collector_id = r.collector_id
    WHERE l.channel_id = any($2::TEXT[])
    ORDER BY l.live, l.channel_id
    LIMIT (SELECT too_many FROM richest)
)

UPDATE channel_lease
SET
    collector_id = $1::TEXT,
    taken_at = now(),
    expires_at = now() + make_interval(secs => $3::DOUBLE PRECISION)
WHERE channel_id IN (SELECT channel_id FROM surplus);

-- name: held_channels
-- The channels that are this collector's to watch.
SELECT channel_id
FROM channel_lease
WHERE collector_id = $1::TEXT AND channel_id = any($2::TEXT[]);

-- name: release_channels
-- The collector stops: its channels are free at once.
DELETE FROM channel_lease
WHERE collector_id = $1::TEXT;
