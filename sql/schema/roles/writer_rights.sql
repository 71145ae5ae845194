-- What the collector, the nightly job and imports need, and no more: rows, and temporary tables. Can be run again. Its
-- password is set beside this file, for a file must not hold one.

DO $$
BEGIN
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM public', current_database());
    EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO nokchart_writer', current_database());
END
$$;

-- Before PostgreSQL 15 everybody could make tables there.
REVOKE CREATE ON SCHEMA public FROM public;

GRANT USAGE ON SCHEMA public TO nokchart_writer;

GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO nokchart_writer;

ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO nokchart_writer;

-- What the schema is, and what is kept how long, is for the owner to say.
REVOKE INSERT, UPDATE, DELETE ON alembic_version, installation, retention FROM nokchart_writer;
