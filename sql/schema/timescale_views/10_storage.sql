-- How large the relations are that grow, and how TimescaleDB's jobs on them fare, for whoever may read the rest.

CREATE OR REPLACE VIEW storage AS
WITH ours AS (
    SELECT
        hypertable_name AS relation,
        hypertable_schema,
        hypertable_name
    FROM timescaledb_information.hypertables
    WHERE hypertable_name IN ('event', 'viewer_sample')
    UNION ALL
    SELECT
        view_name,
        materialization_hypertable_schema,
        materialization_hypertable_name
    FROM timescaledb_information.continuous_aggregates
    WHERE view_name IN ('chat_1s', 'chat_60s', 'chat_300s')
)

SELECT
    o.relation,
    hypertable_approximate_size(format('%I.%I', o.hypertable_schema, o.hypertable_name)::regclass) AS bytes,
    c.chunks,
    c.compressed_chunks,
    s.before_compression_total_bytes::bigint AS bytes_before,
    s.after_compression_total_bytes::bigint AS bytes_after
FROM ours AS o
LEFT JOIN LATERAL (
    SELECT
        count(*)::integer AS chunks,
        (count(*) FILTER (WHERE k.is_compressed))::integer AS compressed_chunks
    FROM timescaledb_information.chunks AS k
    WHERE k.hypertable_schema = o.hypertable_schema AND k.hypertable_name = o.hypertable_name
) AS c ON true
LEFT JOIN LATERAL hypertable_compression_stats(
    format('%I.%I', o.hypertable_schema, o.hypertable_name)::regclass
) AS s ON true;

COMMENT ON VIEW storage IS
'Bytes of what grows; of chunks that the columnstore packed, before and after. On plain PostgreSQL without chunks.';

-- As the owner of the jobs, for TimescaleDB shows their errors to nobody else.
CREATE OR REPLACE FUNCTION jobs_of_nokchart()
RETURNS TABLE (
    job_id integer,
    job text,
    relation text,
    every_sec double precision,
    last_started_at timestamptz,
    last_success_at timestamptz,
    next_start_at timestamptz,
    late_sec double precision,
    failures bigint,
    last_error text,
    scheduled boolean
)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT
        j.job_id,
        CASE j.proc_name
            WHEN 'policy_refresh_continuous_aggregate' THEN 'refresh'
            WHEN 'policy_compression' THEN 'columnstore'
            WHEN 'policy_retention' THEN 'retention'
        END,
        coalesce(a.view_name, j.hypertable_name)::text,
        extract(EPOCH FROM j.schedule_interval)::double precision,
        nullif(s.last_run_started_at, '-infinity'),
        nullif(s.last_successful_finish, '-infinity'),
        nullif(s.next_start, '-infinity'),
        coalesce(greatest(extract(EPOCH FROM now() - nullif(s.next_start, '-infinity')), 0), 0)::double precision,
        coalesce(s.total_failures, 0),
        CASE WHEN s.last_run_status = 'Failed' THEN (
            SELECT e.err_message
            FROM timescaledb_information.job_errors AS e
            WHERE e.job_id = j.job_id
            ORDER BY e.finish_time DESC
            LIMIT 1
        ) END,
        j.scheduled
    FROM timescaledb_information.jobs AS j
    LEFT JOIN timescaledb_information.job_stats AS s ON j.job_id = s.job_id
    LEFT JOIN timescaledb_information.continuous_aggregates AS a
        ON j.hypertable_name IN (a.view_name, a.materialization_hypertable_name)
    WHERE
        j.proc_name IN ('policy_refresh_continuous_aggregate', 'policy_compression', 'policy_retention')
        AND coalesce(a.view_name, j.hypertable_name) IN ('event', 'viewer_sample', 'chat_1s', 'chat_60s', 'chat_300s')
$$;

CREATE OR REPLACE VIEW job AS
SELECT
    job_id,
    job,
    relation,
    every_sec,
    last_started_at,
    last_success_at,
    next_start_at,
    late_sec,
    failures,
    last_error,
    scheduled
FROM jobs_of_nokchart();

COMMENT ON VIEW job IS
'TimescaleDB''s jobs on these relations. late_sec: 0 in time, or running; last_error: of the last run, if that failed.';
