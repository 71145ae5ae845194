-- name: begin_copying
-- Values as text that means the same everywhere, and no end to patience: a backup may take hours.
SELECT
    set_config('TimeZone', 'UTC', true),
    set_config('DateStyle', 'ISO, YMD', true),
    set_config('IntervalStyle', 'iso_8601', true),
    set_config('extra_float_digits', '1', true),
    set_config('bytea_output', 'hex', true),
    set_config('statement_timeout', '0', true),
    set_config('idle_in_transaction_session_timeout', '0', true),
    set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', '0', true);

-- name: columns_of
-- The columns of a relation that hold values of their own, in order; whether the database numbers them itself.
SELECT
    column_name::text AS name,
    is_identity = 'YES' AS is_identity
FROM information_schema.columns
WHERE table_schema = 'public' AND table_name = %(relation)s AND is_generated = 'NEVER'
ORDER BY ordinal_position;

-- name: find_broadcast
-- A broadcast by its number or its stream_id.
SELECT
    broadcast_id,
    stream_id,
    channel_id
FROM broadcast
WHERE stream_id = %(broadcast)s OR broadcast_id::text = %(broadcast)s;

-- name: buckets_outlive_events_until
-- Before this moment buckets may be there whose events are gone: the limit of what is kept with some days of
-- allowance, for chunks go one after the other, or the end of the last day that has buckets and no chunk.
SELECT
    greatest(
        (
            SELECT date_trunc('day', now() - make_interval(days => keep_days - 3), 'UTC') FROM retention
            WHERE relation = 'event' AND keep_days > 0
        ),
        (
            SELECT max(d.day) + interval '1 day'
            FROM (
                SELECT DISTINCT date_trunc('day', bucket, 'UTC') AS day
                FROM chat_300s
            ) AS d
            WHERE NOT EXISTS (
                SELECT FROM timescaledb_information.chunks AS c
                WHERE
                    c.hypertable_schema = 'public' AND c.hypertable_name = 'event'
                    AND d.day >= c.range_start AND d.day < c.range_end
            )
        )
    ) AS moment;

-- name: span_of_events
-- From the oldest to the newest chunk of messages.
SELECT
    min(range_start) AS since,
    max(range_end) AS until
FROM timescaledb_information.chunks
WHERE hypertable_schema = 'public' AND hypertable_name = 'event';

-- name: refresh_buckets
-- Computes the buckets of a span again; NULL: without a limit.
CALL refresh_continuous_aggregate(
    %(aggregate)s::regclass, %(since)s::timestamptz, %(until)s::timestamptz
);

-- name: stored_buckets
-- Schema and name of the hypertable behind a continuous aggregate.
SELECT
    materialization_hypertable_schema::text,
    materialization_hypertable_name::text
FROM timescaledb_information.continuous_aggregates
WHERE view_schema = 'public' AND view_name = %(aggregate)s;

-- name: stop_writers
-- Collectors wait until a restore is done, and begin with what it brought.
LOCK TABLE channel, broadcast IN SHARE ROW EXCLUSIVE MODE;

-- name: restore_marker
-- Which backup is being restored here, where one is.
SELECT obj_description('event'::regclass, 'pg_class') AS marker;

-- name: number_broadcasts
-- The next broadcast gets a number that no restored one has.
SELECT setval(pg_get_serial_sequence('broadcast', 'broadcast_id'), max(broadcast_id))
FROM broadcast;

-- name: number_rejected_items
-- The next rejected item gets a number that no restored one has.
SELECT setval(pg_get_serial_sequence('rejected_item', 'rejected_item_id'), max(rejected_item_id))
FROM rejected_item;

-- name: merge_channel
-- The channel of a broadcast that is brought in, where it is not known here.
INSERT INTO channel (channel_id, name, updated_at)
SELECT
    channel_id,
    name,
    updated_at
FROM incoming_channel
ON CONFLICT (channel_id) DO NOTHING;

-- name: merged_broadcast
-- The broadcast that is brought in, where it is here already.
SELECT b.broadcast_id
FROM broadcast AS b
INNER JOIN incoming_broadcast AS i
    ON
        b.stream_id = i.stream_id
        OR (b.channel_id = i.channel_id AND b.opened_at = i.opened_at AND b.anew_at IS NOT DISTINCT FROM i.anew_at)
ORDER BY b.stream_id = i.stream_id DESC
LIMIT 1;

-- name: touch_merged
-- A broadcast that was here already has other files now.
UPDATE broadcast
SET updated_at = now()
WHERE broadcast_id = %(broadcast_id)s;
