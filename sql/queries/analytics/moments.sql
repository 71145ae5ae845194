-- name: best_peaks
-- The first `top` peaks of either kind of a broadcast, in order of time, and why.
SELECT
    p.method,
    b.opened_at + p.onset_sec * INTERVAL '1 second' AS moment,
    p.value,
    reasons_text(p.reasons, %(language)s) AS reasons
FROM peak AS p
INNER JOIN broadcast AS b ON p.broadcast_id = b.broadcast_id
WHERE p.broadcast_id = %(broadcast_id)s AND p.rank <= %(top)s
ORDER BY p.onset_sec, p.method;
