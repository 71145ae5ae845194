-- The newest buckets are computed when asked (real-time); policies materialise what is older than 1, 5 and 15 minutes.
-- How far back they look is set in 40_reach.sql, for 2.17 takes no columnstore policy within a wider window than this.

SELECT
    add_continuous_aggregate_policy(
        v.name::regclass,
        start_offset => interval '2 days',
        end_offset => v.every,
        schedule_interval => v.every
    )
FROM (
    VALUES
    ('chat_1s', interval '1 minute'),
    ('chat_60s', interval '5 minutes'),
    ('chat_300s', interval '15 minutes')
) AS v (name, every);
