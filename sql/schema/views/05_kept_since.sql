-- TimescaleDB drops old messages by itself (table retention); plain PostgreSQL keeps them until `nokchart db prune`.

CREATE OR REPLACE FUNCTION kept_since() RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT greatest(r.gone_before, now() - make_interval(days => nullif(r.keep_days, 0)))
    FROM retention AS r
    CROSS JOIN installation AS i
    WHERE r.relation = 'event' AND i.edition = 'timescaledb'
$$;

COMMENT ON FUNCTION kept_since() IS
'The moment before which messages may have been dropped; NULL where all are kept.';
