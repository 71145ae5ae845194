-- name: broadcasts_without_video
-- What has ended in the last three days on these channels, and has no video yet: it comes within hours, or never.
SELECT DISTINCT
    b.channel_id,
    b.opened_at
FROM broadcast AS b
WHERE
    b.channel_id = any($1::TEXT[])
    AND b.closed_at > now() - INTERVAL '3 days'
    AND NOT EXISTS (
        SELECT FROM video_part AS p
        WHERE p.broadcast_id = b.broadcast_id
    );

-- name: insert_video_parts
-- A video of the broadcast that opened then, part by part; of all of its recordings, where there are several. Their
-- files are due again.
WITH new AS (
    INSERT INTO video_part (broadcast_id, video_no, from_ms, from_ts, to_ts)
    SELECT
        b.broadcast_id,
        $3::BIGINT,
        p.from_ms,
        p.from_ts,
        p.to_ts
    FROM broadcast AS b
    CROSS JOIN unnest($4::INTEGER[], $5::TIMESTAMPTZ[], $6::TIMESTAMPTZ[]) AS p (from_ms, from_ts, to_ts)
    WHERE b.channel_id = $1::TEXT AND b.opened_at = $2::TIMESTAMPTZ
    ON CONFLICT DO NOTHING
    RETURNING broadcast_id
)

UPDATE broadcast
SET updated_at = clock_timestamp()
WHERE closed_at IS NOT NULL AND broadcast_id IN (SELECT new.broadcast_id FROM new)
RETURNING stream_id;
