-- TimescaleDB with the community licence: chunks of a day, and real-time continuous aggregates under the names that are
-- views elsewhere. Runs once, inside the migration's transaction: WITH NO DATA, and never a refresh here.

SELECT create_hypertable('event', by_range('ts', INTERVAL '1 day'), create_default_indexes => false);

SELECT create_hypertable('viewer_sample', by_range('ts', INTERVAL '7 days'), create_default_indexes => false);

CREATE MATERIALIZED VIEW chat_1s
WITH (timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = true) AS
SELECT
    broadcast_id,
    time_bucket(INTERVAL '1 second', ts) AS bucket,
    count(*) FILTER (WHERE kind = 'chat') AS chat_count,
    count(*) FILTER (WHERE kind = 'donation') AS donation_count,
    coalesce(sum(amount) FILTER (WHERE kind = 'donation'), 0) AS donation_amount,
    count(DISTINCT user_id) FILTER (WHERE kind = 'chat') AS chatters
FROM event
GROUP BY broadcast_id, time_bucket(INTERVAL '1 second', ts)
WITH NO DATA;

CREATE MATERIALIZED VIEW chat_60s
WITH (timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = true) AS
SELECT
    broadcast_id,
    time_bucket(INTERVAL '60 seconds', ts) AS bucket,
    count(*) FILTER (WHERE kind = 'chat') AS chat_count,
    count(*) FILTER (WHERE kind = 'donation') AS donation_count,
    coalesce(sum(amount) FILTER (WHERE kind = 'donation'), 0) AS donation_amount,
    count(DISTINCT user_id) FILTER (WHERE kind = 'chat') AS chatters
FROM event
GROUP BY broadcast_id, time_bucket(INTERVAL '60 seconds', ts)
WITH NO DATA;

CREATE MATERIALIZED VIEW chat_300s
WITH (timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = true) AS
SELECT
    broadcast_id,
    time_bucket(INTERVAL '300 seconds', ts) AS bucket,
    count(*) FILTER (WHERE kind = 'chat') AS chat_count,
    count(*) FILTER (WHERE kind = 'donation') AS donation_count,
    coalesce(sum(amount) FILTER (WHERE kind = 'donation'), 0) AS donation_amount,
    count(DISTINCT user_id) FILTER (WHERE kind = 'chat') AS chatters
FROM event
GROUP BY broadcast_id, time_bucket(INTERVAL '300 seconds', ts)
WITH NO DATA;
