-- What is old is forgotten by whole chunks, after the columnstore's job. keep_days 0: no policy.

SELECT
    add_retention_policy(
        r.relation::regclass,
        drop_after => make_interval(days => r.keep_days),
        schedule_interval => interval '1 day',
        initial_start => (current_date + time '10:30') AT TIME ZONE 'Asia/Seoul',
        timezone => 'Asia/Seoul'
    )
FROM retention AS r
WHERE r.keep_days > 0;
