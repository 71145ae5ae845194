-- Chunks are packed a day after their last moment, at 09:30 in Korea: days end at 09:00 there (midnight in UTC), the
-- nightly files are made, and hardly anybody is on air. The chunks of chat_1s (10 days) wait a little longer, for most
-- of what comes late.

SELECT
    add_compression_policy(
        v.name::regclass,
        compress_after => v.after,
        schedule_interval => interval '1 day',
        initial_start => (current_date + time '09:30') AT TIME ZONE 'Asia/Seoul',
        timezone => 'Asia/Seoul'
    )
FROM (
    VALUES
    ('event', interval '1 day'),
    ('viewer_sample', interval '1 day'),
    ('chat_1s', interval '3 days')
) AS v (name, after);

-- A message that comes late, or whose hiding is known late, unpacks what it belongs to, as forgetting a broadcast does.
-- That is bounded by the broadcast, and has to succeed: no limit of TimescaleDB's. Who does not own the database keeps
-- the limit of 100,000 rows, and hears so from `nokchart db prune`.
DO $$
BEGIN
    EXECUTE format(
        'ALTER DATABASE %I SET timescaledb.max_tuples_decompressed_per_dml_transaction = 0', current_database()
    );
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'the database keeps its limit of rows that a statement may unpack: %', sqlerrm;
END
$$;

-- What is packed takes two bytes in a hundred less with lz4, and is read in two thirds of the time. A server that was
-- built without it keeps its own way.
DO $$
BEGIN
    EXECUTE format('ALTER DATABASE %I SET default_toast_compression = lz4', current_database());
EXCEPTION WHEN insufficient_privilege OR invalid_parameter_value THEN
    RAISE NOTICE 'the database keeps its compression of long values: %', sqlerrm;
END
$$;
