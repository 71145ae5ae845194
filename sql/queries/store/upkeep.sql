-- name: broadcasts_before
-- What prune would forget, the oldest first.
SELECT broadcast_id
FROM broadcast
WHERE closed_at < %(before)s
ORDER BY closed_at, broadcast_id;

-- name: count_events_of
-- How many events a broadcast has.
SELECT count(*) AS events
FROM event
WHERE broadcast_id = %(broadcast_id)s;

-- name: unpack_freely
-- Compressed batches with rows of several broadcasts are unpacked to delete from them, however many rows that takes.
SELECT set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', '0', true);

-- name: forget_event
-- Forgets a broadcast's events.
DELETE FROM event
WHERE broadcast_id = %(broadcast_id)s;

-- name: forget_rejected_item
-- Forgets a broadcast's items that could not be understood.
DELETE FROM rejected_item
WHERE broadcast_id = %(broadcast_id)s;

-- name: forget_viewer_sample
-- Forgets a broadcast's viewer counts.
DELETE FROM viewer_sample
WHERE broadcast_id = %(broadcast_id)s;

-- name: forget_broadcast_change
-- Forgets a broadcast's titles and categories.
DELETE FROM broadcast_change
WHERE broadcast_id = %(broadcast_id)s;

-- name: forget_connection
-- Forgets a broadcast's connections.
DELETE FROM connection
WHERE broadcast_id = %(broadcast_id)s;

-- name: forget_gap
-- Forgets a broadcast's gaps.
DELETE FROM gap
WHERE broadcast_id = %(broadcast_id)s;

-- name: forget_peak
-- Forgets a broadcast's peaks.
DELETE FROM peak
WHERE broadcast_id = %(broadcast_id)s;

-- name: forget_broadcast_total
-- Forgets a broadcast's totals.
DELETE FROM broadcast_total
WHERE broadcast_id = %(broadcast_id)s;

-- name: forget_video_part
-- Forgets where a broadcast's moments are in its video.
DELETE FROM video_part
WHERE broadcast_id = %(broadcast_id)s;

-- name: forget_broadcast
-- Forgets a broadcast's own row, after all others.
DELETE FROM broadcast
WHERE broadcast_id = %(broadcast_id)s;
