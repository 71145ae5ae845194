-- name: collected_broadcasts
-- What was collected, one row a broadcast, of those that opened in [since, until); NULL: no condition.
SELECT
    o.stream_id,
    o.streamer,
    o.title,
    o.opened_at,
    o.closed_at,
    o.last_event_at,
    o.chats,
    o.donations,
    -- of an import nobody knows how it was collected
    CASE WHEN coalesce(b.close_cause, '') <> 'import' THEN o.reconnects END AS reconnects,
    CASE WHEN coalesce(b.close_cause, '') <> 'import' THEN o.missing_sec END AS missing_sec,
    o.duration_sec
FROM broadcast_overview AS o
INNER JOIN broadcast AS b ON o.broadcast_id = b.broadcast_id
WHERE
    (%(since)s::timestamptz IS NULL OR o.opened_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR o.opened_at < %(until)s)
ORDER BY o.opened_at, o.stream_id;
