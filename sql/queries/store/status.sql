-- name: status_of_database
-- Versions, size, and what is counted quickly.
SELECT
    current_setting('server_version') AS postgresql,
    (
        SELECT extversion FROM pg_extension
        WHERE extname = 'timescaledb'
    ) AS timescaledb,
    pg_database_size(current_database()) AS size,
    (SELECT count(*) FROM channel) AS channels,
    (SELECT count(*) FROM broadcast) AS broadcasts,
    (
        SELECT count(*) FROM broadcast
        WHERE closed_at IS NULL
    ) AS open_broadcasts,
    (
        SELECT count(*) FROM gap
        WHERE repaired_at IS NULL
    ) AS open_gaps,
    -- the newest of the newest broadcasts: an index for each, where the newest of all would need one of its own
    (
        SELECT max(newest.ts)
        FROM (
            SELECT broadcast_id FROM broadcast
            ORDER BY closed_at DESC NULLS FIRST
            LIMIT 50
        ) AS b
        CROSS JOIN LATERAL (
            SELECT e.ts FROM event AS e
            WHERE e.broadcast_id = b.broadcast_id AND e.ts > now() - interval '1 day'
            ORDER BY e.ts DESC
            LIMIT 1
        ) AS newest
    ) AS newest_event;

-- name: status_of_events
-- How many events there are, by what TimescaleDB knows of its chunks; and whether they are few enough to be counted.
SELECT
    approximate_row_count('event') AS about,
    coalesce(hypertable_size('event'), 0) < 16 * 1024 * 1024 AS exact;

-- name: status_of_plain_events
-- How many events there are, by the server's statistics; and whether they are few enough to be counted.
SELECT
    greatest(reltuples, 0)::bigint AS about,
    pg_table_size(oid) < 16 * 1024 * 1024 OR reltuples < 0 AS exact
FROM pg_class
WHERE oid = 'event'::regclass;

-- name: count_events
-- All events, one by one.
SELECT count(*) AS events
FROM event;

-- name: status_of_retention
-- What is kept how long.
SELECT
    relation,
    keep_days
FROM retention
ORDER BY relation;

-- name: status_of_collectors
-- The collectors, the newest heartbeat first.
SELECT
    collector_id,
    heartbeat_at,
    stopped_at,
    channels,
    live
FROM collector_status
ORDER BY heartbeat_at DESC
LIMIT 10;

-- name: status_of_table_sizes
-- The tables of a megabyte or more, with indexes; those of hypertables are counted by their chunks.
SELECT
    relname AS relation,
    pg_total_relation_size(oid) AS bytes
FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND pg_total_relation_size(oid) >= 1024 * 1024;

-- name: status_of_hypertable_sizes
-- The hypertables and continuous aggregates with all their chunks and indexes, compressed ones too.
SELECT
    relation,
    bytes
FROM storage;

-- name: status_of_chunks
-- The chunks of hypertables and continuous aggregates.
SELECT
    coalesce(a.view_name, c.hypertable_name)::text AS relation,
    count(*) AS chunks,
    count(*) FILTER (WHERE c.is_compressed) AS compressed,
    min(c.range_start) AS oldest,
    max(c.range_end) AS newest
FROM timescaledb_information.chunks AS c
LEFT JOIN timescaledb_information.continuous_aggregates AS a
    ON
        c.hypertable_schema = a.materialization_hypertable_schema
        AND c.hypertable_name = a.materialization_hypertable_name
GROUP BY coalesce(a.view_name, c.hypertable_name)
ORDER BY chunks DESC, relation;

-- name: status_of_compression
-- What compression has made of the chunks that are compressed.
SELECT
    coalesce(a.view_name, h.table_name)::text AS relation,
    sum(
        z.uncompressed_heap_size + z.uncompressed_index_size + z.uncompressed_toast_size
    )::bigint AS before_bytes,
    sum(z.compressed_heap_size + z.compressed_index_size + z.compressed_toast_size)::bigint AS after_bytes,
    (
        sum(z.uncompressed_heap_size + z.uncompressed_index_size + z.uncompressed_toast_size)
        / nullif(sum(z.compressed_heap_size + z.compressed_index_size + z.compressed_toast_size), 0)
    )::double precision AS ratio,
    (
        sum(z.compressed_heap_size + z.compressed_index_size + z.compressed_toast_size)
        / nullif(sum(z.numrows_pre_compression), 0)
    )::double precision AS bytes_per_row
FROM _timescaledb_catalog.compression_chunk_size AS z
INNER JOIN _timescaledb_catalog.chunk AS c ON z.chunk_id = c.id
INNER JOIN _timescaledb_catalog.hypertable AS h ON c.hypertable_id = h.id
LEFT JOIN timescaledb_information.continuous_aggregates AS a
    ON h.schema_name = a.materialization_hypertable_schema AND h.table_name = a.materialization_hypertable_name
GROUP BY coalesce(a.view_name, h.table_name)
ORDER BY after_bytes DESC;

-- name: status_of_jobs
-- TimescaleDB's jobs on our relations.
SELECT
    job,
    relation,
    every_sec,
    last_started_at,
    last_success_at,
    late_sec,
    failures,
    last_error,
    scheduled
FROM job
ORDER BY job, relation;

-- name: status_of_vacuum
-- When the large tables were last looked after by the server itself.
SELECT
    relname AS relation,
    greatest(last_autovacuum, last_vacuum) AS vacuumed_at,
    n_dead_tup AS dead_rows
FROM pg_stat_user_tables
WHERE relname IN ('event', 'viewer_sample')
ORDER BY relname;
