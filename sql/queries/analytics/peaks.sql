-- name: find_volume_peaks
-- The loudest windows of the session's series.
SELECT
    p.rank,
    p.start_sec,
    p.end_sec,
    p.value,
    p.onset_sec,
    p.score,
    p.in_gap,
    p.reasons
FROM (
    SELECT
        array_agg(coalesce(chat_count, 0) ORDER BY sec) AS counts,
        array_agg(in_gap ORDER BY sec) AS in_gap
    FROM series
    WHERE bucket_sec = 1
) AS s
CROSS JOIN
    LATERAL volume_peaks(
        s.counts, s.in_gap, %(window_sec)s, %(min_gap_sec)s, %(topk)s, %(false_alarms)s::double precision
    ) AS p
ORDER BY p.rank;

-- name: find_surge_peaks
-- The most sudden rises of the session's series.
SELECT
    p.rank,
    p.start_sec,
    p.end_sec,
    p.value,
    p.onset_sec,
    p.score,
    p.in_gap,
    p.reasons
FROM (
    SELECT
        array_agg(coalesce(chat_count, 0) ORDER BY sec) AS counts,
        array_agg(in_gap ORDER BY sec) AS in_gap,
        -- a file of the old tool has no crowd: then every chat counts
        array_agg(coalesce(crowd, chat_count, 0) ORDER BY sec) AS crowd
    FROM series
    WHERE bucket_sec = 1
) AS s
CROSS JOIN
    LATERAL surge_peaks(
        s.counts, s.in_gap, s.crowd, %(min_gap_sec)s, %(topk)s, %(threshold)s::double precision
    ) AS p
ORDER BY p.rank;

-- name: delete_peaks
-- The last analysis of a broadcast, which the new one replaces.
DELETE FROM peak
WHERE broadcast_id = %(broadcast_id)s;

-- name: insert_peak
-- One peak of the last analysis.
INSERT INTO peak (broadcast_id, method, rank, start_sec, end_sec, onset_sec, value, score, in_gap, reasons)
VALUES (
    %(broadcast_id)s,
    %(method)s,
    %(rank)s,
    %(start_sec)s,
    %(end_sec)s,
    %(onset_sec)s,
    %(value)s,
    %(score)s,
    %(in_gap)s,
    %(reasons)s
);

-- name: video_urls
-- Where seconds of a broadcast are in its video.
SELECT
    s.sec,
    video_url(%(broadcast_id)s, %(opened_at)s::timestamptz + make_interval(secs => s.sec)) AS url
FROM unnest(%(seconds)s::int[]) AS s (sec);
