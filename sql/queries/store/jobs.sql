-- name: due_jobs
-- The jobs that TimescaleDB should have run, and has not or not well; those that others need first.
SELECT
    job_id,
    job,
    relation
FROM job
WHERE scheduled AND (last_error IS NOT NULL OR late_sec > every_sec)
ORDER BY array_position(ARRAY['refresh', 'columnstore', 'retention'], job), job_id;

-- name: run_job
-- Runs a job of TimescaleDB now, in this session.
CALL run_job(%(job_id)s);
