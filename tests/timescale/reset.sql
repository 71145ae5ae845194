-- Leaves in a database what a new one has: the extension in an otherwise empty schema public.
-- (DROP SCHEMA public would take the extension along, and one process cannot load it a second time.)
DO $reset$
DECLARE
    removal text;
BEGIN
    SET LOCAL client_min_messages TO warning;
    -- Each list is complete before its first removal: a running query over the catalogs trips over what disappears.
    -- Views come first, then the aggregates that they read, the newest first, as it may be built on an older one: CASCADE
    -- goes no further than one aggregate. Their own tables must not be dropped from under them.
    FOREACH removal IN ARRAY ARRAY(
        SELECT format('DROP %s IF EXISTS %I.%I CASCADE', CASE relkind
            WHEN 'v' THEN 'VIEW'
            ELSE 'MATERIALIZED VIEW'
        END, nspname, relname)
        FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE relkind IN ('v', 'm') AND nspname NOT IN ('pg_catalog', 'information_schema')
            AND (nspname, relname) NOT IN (
                SELECT user_view_schema, user_view_name FROM _timescaledb_catalog.continuous_agg
                UNION ALL
                SELECT partial_view_schema, partial_view_name FROM _timescaledb_catalog.continuous_agg
                UNION ALL
                SELECT direct_view_schema, direct_view_name FROM _timescaledb_catalog.continuous_agg
            )
            AND NOT EXISTS (
                SELECT FROM pg_depend AS d
                WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
            )
    ) LOOP
        EXECUTE removal;
    END LOOP;
    FOREACH removal IN ARRAY ARRAY(
        SELECT format('DROP MATERIALIZED VIEW IF EXISTS %I.%I CASCADE', user_view_schema, user_view_name)
        FROM _timescaledb_catalog.continuous_agg
        ORDER BY mat_hypertable_id DESC
    ) LOOP
        EXECUTE removal;
    END LOOP;
    FOREACH removal IN ARRAY ARRAY(
        SELECT format('SELECT delete_job(%s)', id)
        FROM _timescaledb_config.bgw_job
        WHERE id >= 1000 AND hypertable_id IS NULL
        UNION ALL
        SELECT format('DROP EXTENSION IF EXISTS %I CASCADE', extname)
        FROM pg_extension
        WHERE extname NOT IN ('plpgsql', 'timescaledb')
    ) LOOP
        EXECUTE removal;
    END LOOP;
    FOREACH removal IN ARRAY ARRAY(
        WITH ours AS (
            SELECT 'pg_namespace'::regclass AS kept_in, oid, format('DROP SCHEMA IF EXISTS %I CASCADE', nspname) AS statement
            FROM pg_namespace
            WHERE nspname NOT LIKE 'pg\_%' AND nspname NOT IN ('public', 'information_schema')
            UNION ALL
            SELECT 'pg_class'::regclass, oid, format('DROP %s IF EXISTS public.%I CASCADE', CASE relkind
                WHEN 'S' THEN 'SEQUENCE'
                WHEN 'c' THEN 'TYPE'
                WHEN 'f' THEN 'FOREIGN TABLE'
                ELSE 'TABLE'
            END, relname)
            FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'S', 'c', 'f')
            UNION ALL
            SELECT 'pg_type'::regclass, oid, format('DROP TYPE IF EXISTS public.%I CASCADE', typname)
            FROM pg_type
            WHERE typnamespace = 'public'::regnamespace AND typtype IN ('d', 'e', 'r')
            UNION ALL
            SELECT 'pg_proc'::regclass, oid, format(
                'DROP ROUTINE IF EXISTS public.%I(%s) CASCADE', proname, pg_get_function_identity_arguments(oid)
            )
            FROM pg_proc
            WHERE pronamespace = 'public'::regnamespace
        )
        SELECT statement FROM ours
        WHERE NOT EXISTS (
            SELECT FROM pg_depend AS d -- of an extension, or a part of something that goes anyway
            WHERE d.classid = ours.kept_in AND d.objid = ours.oid AND d.deptype IN ('e', 'i')
        )
    ) LOOP
        EXECUTE removal;
    END LOOP;
    EXECUTE format('ALTER DATABASE %I RESET ALL', current_database());
END
$reset$;
