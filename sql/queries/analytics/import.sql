-- name: import_broadcast
-- The row of an imported broadcast, made or found; one that was collected keeps what the collector knows of it.
WITH known_channel AS (
    INSERT INTO channel (channel_id, name)
    VALUES (%(channel_id)s, %(streamer)s)
    ON CONFLICT (channel_id) DO UPDATE
        SET name = coalesce(channel.name, excluded.name)
    RETURNING channel_id
)

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
ON CONFLICT (stream_id) DO UPDATE
    SET updated_at = now()
RETURNING broadcast_id;

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
