-- name: imported_otherwise
-- Whether an import of another day has the same stream_id.
SELECT b.opened_at
FROM broadcast AS b
WHERE
    b.stream_id = %(stream_id)s
    AND b.close_cause = 'import'
    AND abs(extract(EPOCH FROM b.opened_at - %(opened_at)s::timestamptz)) > 12 * 3600;

-- name: import_broadcast
-- The row of an imported broadcast, found or made, and whether it is an import; one that was collected keeps what the
-- collector knows of it. No row where another import is making it at this moment.
WITH known AS (
    SELECT
        broadcast_id,
        close_cause
    FROM broadcast
    WHERE stream_id = %(stream_id)s OR (channel_id = %(channel_id)s AND opened_at = %(opened_at)s)
    ORDER BY (stream_id = %(stream_id)s) DESC
    LIMIT 1
),

known_channel AS (
    INSERT INTO channel (channel_id, name)
    SELECT
        %(channel_id)s,
        %(streamer)s
    WHERE NOT EXISTS (SELECT FROM known)
    ON CONFLICT (channel_id) DO UPDATE
        SET name = coalesce(channel.name, excluded.name)
    RETURNING channel_id
),

made AS (
    INSERT INTO broadcast (stream_id, channel_id, opened_at, closed_at, close_cause, title, category)
    SELECT
        %(stream_id)s,
        known_channel.channel_id,
        %(opened_at)s,
        coalesce(%(closed_at)s::timestamptz, (SELECT greatest(max(ts), %(opened_at)s) FROM event)),
        'import',
        %(title)s,
        %(category)s
    FROM known_channel
    ON CONFLICT DO NOTHING
    RETURNING broadcast_id
)

SELECT
    broadcast_id,
    coalesce(close_cause = 'import', false) AS imported
FROM known
UNION ALL
SELECT
    broadcast_id,
    true
FROM made;

-- name: import_events
-- The session's scratch events, into the table of the same name that everybody reads.
INSERT INTO public.event (
    ts, broadcast_id, kind, event_key, user_id, nickname, content, amount, hidden, source, received_at, extra
)
SELECT
    ts,
    %(broadcast_id)s,
    kind,
    event_key,
    user_id,
    nickname,
    content,
    amount,
    hidden,
    source,
    received_at,
    extra
FROM pg_temp.event
ON CONFLICT DO NOTHING;

-- name: import_gaps
-- The session's scratch gaps. Their ids follow from the stream and the time, so that a second import changes nothing.
INSERT INTO public.gap (gap_id, broadcast_id, from_ts, to_ts, cause, repaired_at)
SELECT
    md5(%(stream_id)s::text || extract(EPOCH FROM from_ts) || ' ' || extract(EPOCH FROM to_ts))::uuid,
    %(broadcast_id)s,
    from_ts,
    to_ts,
    cause,
    repaired_at
FROM pg_temp.gap
ON CONFLICT DO NOTHING;

-- name: import_viewers
-- The session's scratch samples.
INSERT INTO public.viewer_sample (ts, broadcast_id, viewers)
SELECT
    ts,
    %(broadcast_id)s,
    viewers
FROM pg_temp.viewer_sample
ON CONFLICT DO NOTHING;

-- name: touch_broadcast
-- Rows of the broadcast are new: its files are to be made again.
UPDATE broadcast
SET updated_at = clock_timestamp()
WHERE broadcast_id = %(broadcast_id)s;
