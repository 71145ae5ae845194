-- name: bench_json_rows
-- A broadcast's rows as JSON of the server's own making, under the keys of events.jsonl: what an export is measured by.
COPY (
    SELECT row_to_json(l)
    FROM (
        SELECT
            %(stream_id)s::text AS stream_id,
            kind AS type,
            (extract(EPOCH FROM ts - %(opened_at)s::timestamptz) * 1000)::bigint AS t_ms,
            nickname AS user,
            content AS text,
            coalesce(received_at, ts) AS received_at,
            amount,
            user_id,
            ts AS sent_at,
            hidden,
            source,
            extra
        FROM event
        WHERE broadcast_id = %(broadcast_id)s
        ORDER BY ts, event_key
    ) AS l
) TO STDOUT;
