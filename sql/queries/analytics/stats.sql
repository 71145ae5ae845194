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
    o.reconnects,
    o.missing_sec,
    o.duration_sec
FROM broadcast_overview AS o
WHERE
    (%(since)s::timestamptz IS NULL OR o.opened_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR o.opened_at < %(until)s)
ORDER BY o.opened_at, o.stream_id;
