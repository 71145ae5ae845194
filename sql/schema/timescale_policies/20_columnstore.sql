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

-- Settings of the database, for each session and job of it. Who does not own the database keeps the server's.
-- * A message that comes late, or whose hiding is known late, unpacks what it belongs to, as forgetting a broadcast
--   does. That is bounded by the broadcast, and has to succeed: no limit of TimescaleDB's. With its usual one, of
--   100,000 rows, `nokchart db prune` of a large packed broadcast is refused.
-- * What is packed takes two bytes in a hundred less with lz4, and is read in two thirds of the time. A server that was
--   built without it keeps its own way.
-- * A Bloom filter of the keys (TimescaleDB 2.20 and later) takes a byte a message, and no statement here is faster by
--   it: who looks for a key knows the author and the time, which are in order.
DO $$
DECLARE
    setting record;
BEGIN
    FOR setting IN
        SELECT v.name, v.value
        FROM (
            VALUES
            ('timescaledb.max_tuples_decompressed_per_dml_transaction', '0'),
            ('default_toast_compression', 'lz4'),
            ('timescaledb.enable_sparse_index_bloom', 'off')
        ) AS v (name, value)
        INNER JOIN pg_settings USING (name)
    LOOP
        BEGIN
            EXECUTE format('ALTER DATABASE %I SET %s = %L', current_database(), setting.name, setting.value);
        EXCEPTION WHEN insufficient_privilege OR invalid_parameter_value THEN
            RAISE NOTICE 'the database keeps its %: %', setting.name, sqlerrm;
        END;
    END LOOP;
END
$$;
