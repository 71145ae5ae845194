-- How far back the aggregates are refreshed, and how often. Re-run at every migration, so a change here reaches every
-- server. The newest buckets are left to the real-time part of the aggregate; three days back covers a broadcast whose
-- replay is fetched later.

SELECT remove_continuous_aggregate_policy('chat_1s', if_exists => true);

SELECT remove_continuous_aggregate_policy('chat_60s', if_exists => true);

SELECT remove_continuous_aggregate_policy('chat_300s', if_exists => true);

SELECT
    add_continuous_aggregate_policy(
        'chat_1s',
        start_offset => INTERVAL '3 days',
        end_offset => INTERVAL '1 minute',
        schedule_interval => INTERVAL '1 minute'
    );

SELECT
    add_continuous_aggregate_policy(
        'chat_60s',
        start_offset => INTERVAL '3 days',
        end_offset => INTERVAL '5 minutes',
        schedule_interval => INTERVAL '5 minutes'
    );

SELECT
    add_continuous_aggregate_policy(
        'chat_300s',
        start_offset => INTERVAL '3 days',
        end_offset => INTERVAL '15 minutes',
        schedule_interval => INTERVAL '15 minutes'
    );
