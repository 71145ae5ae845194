-- The refresh looks back as far as there are messages, so that late ones reach all three aggregates by themselves,
-- whenever they come. And no further: where messages were dropped it would find nothing, and empty what was counted
-- before. A chunk is dropped once its last moment is older than keep_days; the two days are the distance from that.
-- NULL: everything.
--
-- From 2.20 on TimescaleDB cuts the window into batches, of one bucket each if nothing is said: that would be millions
-- for the 1 s buckets, listed at each run. A batch is a day here. Earlier versions do not read this.

WITH kept AS (
    SELECT
        relation,
        make_interval(days => nullif(keep_days, 0) - 2) AS reach,
        now() - gone_before AS since_gone
    FROM retention
),

window_of AS (
    SELECT
        v.name,
        v.buckets_a_day,
        (
            SELECT least(min(k.reach), min(k.since_gone))
            FROM kept AS k
            WHERE k.relation IN ('event', v.name)
        ) AS reach
    FROM (VALUES ('chat_1s', 86400), ('chat_60s', 1440), ('chat_300s', 288)) AS v (name, buckets_a_day)
)

SELECT
    alter_job(
        j.job_id,
        config => j.config
        || jsonb_build_object('start_offset', w.reach::text, 'buckets_per_batch', w.buckets_a_day)
    )
FROM timescaledb_information.jobs AS j
INNER JOIN timescaledb_information.continuous_aggregates AS a
    -- the aggregate has two names, and earlier versions gave the other one here
    ON j.hypertable_name IN (a.view_name, a.materialization_hypertable_name)
INNER JOIN window_of AS w ON a.view_name = w.name
WHERE j.proc_name = 'policy_refresh_continuous_aggregate';
