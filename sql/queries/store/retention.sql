-- name: set_keep_days
-- Keeps a relation for so many days. Where that is longer than before, what was older than before may be gone by now.
UPDATE retention
SET
    keep_days = %(days)s,
    gone_before = CASE
        WHEN
            keep_days > 0 AND (%(days)s = 0 OR %(days)s > keep_days)
            AND (SELECT edition FROM installation) = 'timescaledb'
            AND EXISTS (
                SELECT FROM broadcast
                WHERE opened_at < now() - make_interval(days => keep_days)
            )
            THEN greatest(gone_before, now() - make_interval(days => keep_days))
        ELSE gone_before
    END
WHERE relation = %(relation)s;

-- name: kept_since
-- The moment before which messages may have been dropped; NULL where all are kept.
SELECT kept_since() AS kept_since;
