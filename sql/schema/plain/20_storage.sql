-- As on TimescaleDB, where there are chunks and jobs.

CREATE OR REPLACE VIEW storage AS
SELECT
    r.relation,
    pg_total_relation_size(r.relation::regclass) AS bytes,
    0 AS chunks,
    0 AS compressed_chunks,
    NULL::bigint AS bytes_before,
    NULL::bigint AS bytes_after
FROM (VALUES ('event'), ('viewer_sample'), ('chat_1s'), ('chat_60s'), ('chat_300s')) AS r (relation);

COMMENT ON VIEW storage IS
'Bytes of what grows; of chunks that the columnstore packed, before and after. On plain PostgreSQL without chunks.';

CREATE OR REPLACE VIEW job AS
SELECT
    NULL::integer AS job_id,
    NULL::text AS job,
    NULL::text AS relation,
    NULL::double precision AS every_sec,
    NULL::timestamptz AS last_started_at,
    NULL::timestamptz AS last_success_at,
    NULL::timestamptz AS next_start_at,
    NULL::double precision AS late_sec,
    NULL::bigint AS failures,
    NULL::text AS last_error,
    NULL::boolean AS scheduled
WHERE FALSE;

COMMENT ON VIEW job IS
'TimescaleDB''s jobs; plain PostgreSQL has none.';
