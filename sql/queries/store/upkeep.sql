-- name: describe_database
-- How much there is, and how large.
SELECT
    current_setting('server_version') AS server,
    pg_size_pretty(pg_database_size(current_database())) AS size,
    (SELECT count(*) FROM channel) AS channels,
    (SELECT count(*) FROM broadcast) AS broadcasts,
    (
        SELECT count(*) FROM broadcast
        WHERE closed_at IS NULL
    ) AS open_broadcasts,
    (SELECT count(*) FROM event) AS events,
    (SELECT count(*) FROM rejected_item) AS rejected_items,
    (
        SELECT count(*) FROM gap
        WHERE repaired_at IS NULL
    ) AS open_gaps,
    (
        SELECT max(received_at) FROM event
        WHERE received_at > now() - INTERVAL '1 day'
    ) AS newest_event,
    (SELECT max(heartbeat_at) FROM collector_status) AS collector_heartbeat;

-- name: count_before
-- What prune would forget.
SELECT
    count(DISTINCT b.broadcast_id) AS broadcasts,
    count(e.event_key) AS events
FROM broadcast AS b
LEFT JOIN event AS e ON b.broadcast_id = e.broadcast_id
WHERE b.closed_at < %(before)s;

-- name: prune_before
-- Forgets broadcasts that ended before a moment, rows of all tables first.
WITH old AS (
    SELECT broadcast_id
    FROM broadcast
    WHERE closed_at < %(before)s
),

forgotten_event AS (
    DELETE FROM event
    WHERE broadcast_id IN (SELECT broadcast_id FROM old)
),

forgotten_rejected_item AS (
    DELETE FROM rejected_item
    WHERE broadcast_id IN (SELECT broadcast_id FROM old)
),

forgotten_viewer_sample AS (
    DELETE FROM viewer_sample
    WHERE broadcast_id IN (SELECT broadcast_id FROM old)
),

forgotten_broadcast_total AS (
    DELETE FROM broadcast_total
    WHERE broadcast_id IN (SELECT broadcast_id FROM old)
),

forgotten_broadcast_change AS (
    DELETE FROM broadcast_change
    WHERE broadcast_id IN (SELECT broadcast_id FROM old)
),

forgotten_connection AS (
    DELETE FROM connection
    WHERE broadcast_id IN (SELECT broadcast_id FROM old)
),

forgotten_gap AS (
    DELETE FROM gap
    WHERE broadcast_id IN (SELECT broadcast_id FROM old)
),

forgotten_peak AS (
    DELETE FROM peak
    WHERE broadcast_id IN (SELECT broadcast_id FROM old)
)

DELETE FROM broadcast
WHERE broadcast_id IN (SELECT broadcast_id FROM old);
