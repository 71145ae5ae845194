-- What Grafana and people need: to read. Can be run again. That it may only read follows from its rights.

DO $$
BEGIN
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM public', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO nokchart_reader', current_database());
END
$$;

REVOKE CREATE ON SCHEMA public FROM public;

GRANT USAGE ON SCHEMA public TO nokchart_reader;

GRANT SELECT ON ALL TABLES IN SCHEMA public TO nokchart_reader;

ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO nokchart_reader;

-- What PostgreSQL and TimescaleDB let everybody write without any right. Where the functions are not the owner's to
-- close, as on a managed server, they stay open.
DO $$
DECLARE
    found regprocedure;
BEGIN
    FOR found IN
        SELECT oid FROM pg_proc WHERE proname IN ('lo_creat', 'lo_create', 'lo_from_bytea', 'add_job')
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM public', found);
    END LOOP;
EXCEPTION
    WHEN insufficient_privilege THEN NULL;
END
$$;
