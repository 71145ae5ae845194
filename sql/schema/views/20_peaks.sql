-- Peaks of one broadcast: where chat is loudest (volume) and where it suddenly rises (surge). See docs/peaks.md.
--
-- Everything here is a pure function of arrays: element i is second i - 1 of the broadcast. in_gap marks seconds in
-- which nothing could be collected: they are unknown, not silent.
--
-- One idea carries both scores. The square root of a count has the same noise whatever the rate (Anscombe 1948:
-- 2 * sqrt(x + 3/8) of a Poisson count has standard deviation 1). On that scale counts are subtracted, and the
-- difference is in sigmas, for 3 chats as for 3,000.
--
-- Two habits keep this fast whatever the planner knows about the arrays (nothing): steps are MATERIALIZED, and
-- cardinality is asked in a sub-select, once, because a stored array is decompressed each time it is looked at.

CREATE OR REPLACE FUNCTION root_scale(chats double precision) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT 2 * sqrt(chats + 0.375) $$;

COMMENT ON FUNCTION root_scale(double precision) IS
'A count of chats on the scale where chance has a standard deviation of 1 (Anscombe).';


CREATE OR REPLACE FUNCTION pick_apart(starts int[], apart int, topk int)
RETURNS TABLE (rank int, start_sec int)
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
-- Each block of `apart` seconds holds at most one pick, so a candidate has only its own block and the two beside it
-- to ask. taken[b] is the pick in block b - 1; -apart is far from every second.
DECLARE
    taken int[] := array_fill(-apart, ARRAY[(SELECT coalesce(max(s), 0) FROM unnest(starts) AS s) / apart + 3]);
    block int;
BEGIN
    rank := 0;
    FOREACH start_sec IN ARRAY coalesce(starts, '{}') LOOP
        EXIT WHEN rank >= topk;
        block := start_sec / apart + 2;
        IF taken[block] < 0 AND start_sec - taken[block - 1] >= apart
            AND (taken[block + 1] < 0 OR taken[block + 1] - start_sec >= apart)
        THEN
            taken[block] := start_sec;
            rank := rank + 1;
            RETURN NEXT;
        END IF;
    END LOOP;
END
$$;

COMMENT ON FUNCTION pick_apart(int[], int, int) IS
'Greedy choice: takes each start, best first as given, that is at least apart seconds from all taken, until topk.';


CREATE OR REPLACE FUNCTION peak_onset(counts int[], in_gap boolean[], start_sec int, end_sec int) RETURNS int
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
-- The change point of maximum likelihood between two Poisson paces: chat before, and the best 5 s of the window. Each
-- second votes (chats - threshold); the onset is where the votes from there to the top are the most.
WITH near AS MATERIALIZED (
    SELECT
        (greatest(start_sec - 60, 0) + i - 1)::int AS sec,
        CASE WHEN NOT coalesce(gap, FALSE) THEN coalesce(c, 0) END AS chats,
        sum(CASE WHEN NOT coalesce(gap, FALSE) THEN c END) OVER (ORDER BY i ROWS BETWEEN CURRENT ROW AND 4 FOLLOWING)
            AS next_5_sec
    FROM unnest(
        counts[greatest(start_sec - 60, 0) + 1:end_sec], in_gap[greatest(start_sec - 60, 0) + 1:end_sec]
    ) WITH ORDINALITY AS t (c, gap, i)
),

top AS (
    SELECT sec, next_5_sec / 5.0::float8 AS pace
    FROM near
    WHERE sec BETWEEN peak_onset.start_sec AND greatest(peak_onset.start_sec, end_sec - 5)
    ORDER BY next_5_sec DESC NULLS LAST, sec
    LIMIT 1
),

paces AS (
    SELECT
        top.sec AS top_sec,
        greatest(coalesce(avg(near.chats) FILTER (WHERE near.sec < peak_onset.start_sec - 5), 0), 0.05)::float8 AS base,
        coalesce(top.pace, 0) AS top
    FROM near CROSS JOIN top
    GROUP BY top.sec, top.pace
),

threshold AS (
    SELECT top_sec, (higher - base) / ln(higher / base) AS chats
    FROM (SELECT top_sec, base, greatest(top, 1.3 * base) AS higher FROM paces) AS p
)

SELECT coalesce((
    SELECT near.sec
    FROM near CROSS JOIN threshold
    WHERE near.sec BETWEEN peak_onset.start_sec - 30 AND threshold.top_sec + 4
    ORDER BY sum(near.chats - threshold.chats) OVER (ORDER BY near.sec DESC) DESC NULLS LAST, near.sec DESC
    LIMIT 1
), peak_onset.start_sec)
$$;

COMMENT ON FUNCTION peak_onset(int[], boolean[], int, int) IS
'The second in which the rise begins that made the peak [start_sec, end_sec): inside it, or at most 30 s before.';


CREATE OR REPLACE FUNCTION volume_peaks(
    counts int[], in_gap boolean[], window_sec int, min_gap_sec int, topk int, false_alarms double precision
)
RETURNS TABLE (
    rank int, start_sec int, end_sec int, value int, onset_sec int,
    score double precision, in_gap boolean, reasons text[]
)
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET jit = off
AS $$
WITH sums AS MATERIALIZED (
    -- forward windows [sec, sec + window_sec); one that would reach past the end is none
    SELECT
        (i - 1)::int AS sec,
        sum(greatest(c, 0)) OVER ahead AS chats,
        sum(gap::int) OVER ahead > 0 AS touches_gap
    FROM unnest($1, $2) WITH ORDINALITY AS t (c, gap, i)
    WHERE i <= (SELECT cardinality($1))
    WINDOW ahead AS (ORDER BY i ROWS BETWEEN CURRENT ROW AND $3 - 1 FOLLOWING)
),

windows AS MATERIALIZED (
    SELECT sec, chats, coalesce(touches_gap, FALSE) AS touches_gap
    FROM sums
    WHERE sec <= greatest((SELECT cardinality($1)) - $3, 0)
),

-- how much one window differs from the one before it (robustly, and never less than Poisson): adjacent windows, because
-- the slow rise and fall of an evening is not noise. In a few minutes bursts may be most of all there is and would hide
-- themselves: so under an hour (360 samples) the measure counts, as a power, for as much of an hour as was seen.
spread AS MATERIALIZED (
    SELECT
        least(count(*) / 360.0, 1)::float8 AS measured,
        coalesce(percentile_cont(ARRAY[0.25, 0.5]) WITHIN GROUP (ORDER BY root_scale(chats)), '{0,0}') AS q,
        greatest(1, 1.4826 / sqrt(2) * coalesce(
            percentile_cont(0.5) WITHIN GROUP (ORDER BY abs(root_scale(chats) - root_scale(chats_before))), 0
        )) ^ least(count(*) / 360.0, 1) AS sigma
    FROM (
        SELECT chats, lag(chats, greatest($3 / 10, 1)) OVER (ORDER BY sec) AS chats_before
        FROM windows
        WHERE sec % 10 = 0 AND NOT touches_gap
    ) AS sample
),

-- what is usual: the median window, and under an hour, by the same measure, what the quietest quarter says of it (0.674
-- sigma above its edge if all were noise). Never less than 0.1 chats/s, the floor of quiet channels.
usual AS MATERIALIZED (
    SELECT
        greatest(
            root_scale((0.1 * $3)::float8), measured * q[2] + (1 - measured) * least(q[2], q[1] + 0.674 * sigma)
        ) AS level,
        sigma
    FROM spread
),

-- false_alarms windows in this broadcast may reach `noise` by chance: P(Z > z) < exp(-z^2 / 2) for each of its starts.
-- Where chat is so dense that chance is soon ruled out, a peak is still 1.4 times the usual or more.
limits AS MATERIALIZED (
    SELECT
        level, sigma, (level / 2) ^ 2 - 0.375 AS usual_chats,
        sqrt(2 * ln(greatest((SELECT count(*) FROM windows) / nullif($6, 0), 1))) AS noise
    FROM usual
),

picked AS MATERIALIZED (
    SELECT p.rank, p.start_sec
    FROM pick_apart(
        (
            SELECT array_agg(w.sec ORDER BY w.chats DESC, w.sec)
            FROM windows AS w CROSS JOIN limits AS l
            WHERE w.chats > 0
                AND (
                    $6 IS NULL
                    OR (root_scale(w.chats) > l.level + l.noise * l.sigma AND w.chats >= 1.4 * l.usual_chats)
                )
        ),
        greatest($3, $4, 1), $5
    ) AS p
)

SELECT
    p.rank,
    p.start_sec,
    least(p.start_sec + $3, (SELECT cardinality($1))),
    least(w.chats, 2147483647)::int,
    peak_onset($1, $2, p.start_sec, least(p.start_sec + $3, (SELECT cardinality($1)))),
    (root_scale(w.chats) - l.level) / l.sigma,
    w.touches_gap,
    ARRAY['volume ' || round((w.chats / l.usual_chats)::numeric, 1) || 'x usual']
    || CASE WHEN w.touches_gap THEN ARRAY['touches gap'] ELSE '{}' END
FROM picked AS p
INNER JOIN windows AS w ON p.start_sec = w.sec
CROSS JOIN limits AS l
ORDER BY p.rank
$$;

COMMENT ON FUNCTION volume_peaks(int[], boolean[], int, int, int, double precision) IS
'The loudest windows: greedy by chats, ties to the earlier, apart and never overlapping, cut where chance begins.';


CREATE OR REPLACE FUNCTION surge_peaks(
    counts int[], in_gap boolean[], crowd int[], min_gap_sec int, topk int, threshold double precision
)
RETURNS TABLE (
    rank int, start_sec int, end_sec int, value int, onset_sec int,
    score double precision, in_gap boolean, reasons text[], baseline double precision
)
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET jit = off
AS $$
-- A second is seen if it is in no gap and not before the first chat of the broadcast.
WITH seconds AS MATERIALIZED (
    SELECT
        (i - 1)::int AS sec,
        CASE WHEN NOT coalesce(gap, FALSE) THEN greatest(least(c, a), 0) ELSE 0 END AS chats,
        (NOT coalesce(gap, FALSE) AND i >= (
            SELECT min(j) FROM unnest($1) WITH ORDINALITY AS u (chats, j) WHERE u.chats > 0
        ))::int AS seen
    FROM unnest($1, $2, $3) WITH ORDINALITY AS t (c, gap, a, i)
    WHERE i <= (SELECT cardinality($1))
),

-- chats per second of each 10 s, unknown where less than half of them was seen
bins AS MATERIALIZED (
    SELECT array_agg(pace ORDER BY bin) AS paces
    FROM (
        SELECT sec / 10 AS bin, CASE WHEN sum(seen) >= 5 THEN sum(chats)::float8 / sum(seen) END AS pace
        FROM seconds
        GROUP BY sec / 10
    ) AS b
),

-- what is usual: the median pace of the trailing minutes, from 5 min to 1 min ago, anew every 30 s. Where too little of
-- them was seen (the start, the return from a gap), of the 5 min on either side; 0 where nothing was seen at all.
levels AS MATERIALIZED (
    SELECT array_agg(
        CASE WHEN before.seen >= 12 THEN before.pace ELSE (
            SELECT coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY pace), 0)
            FROM unnest((SELECT paces FROM bins)[greatest(3 * g - 29, 1):3 * g + 30]) AS pace
        ) END
        ORDER BY g
    ) AS paces
    FROM generate_series(0, ((SELECT cardinality($1)) - 1) / 30) AS g
    CROSS JOIN LATERAL (
        SELECT count(pace) AS seen, percentile_cont(0.5) WITHIN GROUP (ORDER BY pace) AS pace
        FROM unnest((SELECT paces FROM bins)[greatest(3 * g - 29, 1):3 * g - 6]) AS pace
    ) AS before
),

sums AS (
    SELECT
        sec,
        sum(chats) OVER next15 AS chats15, sum(seen) OVER next15 AS seen15,
        sum(chats) OVER next30 AS chats30, sum(seen) OVER next30 AS seen30,
        sum(chats) OVER last60 AS chats60, sum(seen) OVER last60 AS seen60
    FROM seconds
    WINDOW
        next15 AS (ORDER BY sec ROWS BETWEEN CURRENT ROW AND 14 FOLLOWING),
        next30 AS (ORDER BY sec ROWS BETWEEN CURRENT ROW AND 29 FOLLOWING),
        last60 AS (ORDER BY sec ROWS BETWEEN 60 PRECEDING AND 1 PRECEDING)
),

-- neither pace is taken for less than 0.2 chats/s, the floor of quiet channels; a second with no minute before it to
-- compare with (the start, the return from a gap) begins no surge
against AS MATERIALIZED (
    SELECT
        sums.*,
        greatest(chats60::float8 / seen60, 0.2) AS pace,
        greatest((SELECT paces FROM levels)[sec / 30 + 1], 0.2) AS level
    FROM sums
    WHERE seen60 >= 20 AND seen15 >= 8 AND sec <= (SELECT cardinality($1)) - 15
),

-- a surge stands out of the last minute (rise) and out of the minutes before it (above)
contrasts AS MATERIALIZED (
    SELECT
        sec, chats15, chats30, seen15, seen30, greatest(level, pace) AS baseline,
        (root_scale(chats15) - root_scale(seen15 * pace)) / sqrt(1 + seen15::float8 / seen60) AS rise15,
        (root_scale(chats30) - root_scale(seen30 * pace)) / sqrt(1 + seen30::float8 / seen60) AS rise30,
        root_scale(chats15) - root_scale(seen15 * level) AS above15,
        root_scale(chats30) - root_scale(seen30 * level) AS above30
    FROM against
),

-- one sigma in this broadcast: the spread of all its rises by their middle half, never less than Poisson. In a few
-- minutes bursts may be most of all there is and would hide themselves: so under an hour (240 samples) the measure
-- counts, as a power, for as much of an hour as was seen.
sigmas AS MATERIALIZED (
    SELECT
        greatest(1, (q15[2] - q15[1]) / 1.349) ^ least(samples / 240.0, 1) AS sigma15,
        greatest(1, (q30[2] - q30[1]) / 1.349) ^ least(samples / 240.0, 1) AS sigma30
    FROM (
        SELECT
            count(*) AS samples,
            percentile_cont(ARRAY[0.25, 0.75]) WITHIN GROUP (ORDER BY rise15) AS q15,
            percentile_cont(ARRAY[0.25, 0.75]) WITHIN GROUP (ORDER BY rise30) AS q30
        FROM contrasts
        WHERE sec % 15 = 0
    ) AS quartiles
),

-- where chat is so dense that chance is soon ruled out, a surge is still 1.25 times the usual or more
scored AS MATERIALIZED (
    SELECT
        c.sec, c.chats15, c.chats30, c.baseline, s.score15, s.score30, greatest(s.score15, s.score30) AS score
    FROM contrasts AS c
    CROSS JOIN sigmas
    CROSS JOIN LATERAL (
        SELECT
            CASE WHEN c.chats15 >= 1.25 * c.seen15 * c.baseline
                THEN least(c.rise15, c.above15) / sigmas.sigma15 END AS score15,
            CASE WHEN c.chats30 >= 1.25 * c.seen30 * c.baseline
                AND c.sec <= (SELECT cardinality($1)) - 30 AND c.seen30 >= 15
                THEN least(c.rise30, c.above30) / sigmas.sigma30 END AS score30
    ) AS s
    -- no surge can be listed with less, however many there are
    WHERE greatest(s.score15, s.score30) > sqrt(greatest($6 ^ 2 - 2 * ln((SELECT cardinality($1))), 0))
),

picked AS MATERIALIZED (
    SELECT p.rank, s.*, CASE WHEN s.score30 > s.score15 THEN 30 ELSE 15 END AS span
    FROM pick_apart((SELECT array_agg(sec ORDER BY score DESC, sec) FROM scored), greatest($4, 30), $5) AS p
    INNER JOIN scored AS s ON p.start_sec = s.sec
),

-- Benjamini-Hochberg: threshold is for a surge that stands alone; k surges together need less to be believed
listed AS MATERIALIZED (
    SELECT p.*
    FROM picked AS p
    WHERE p.rank <= (SELECT max(q.rank) FROM picked AS q WHERE q.score ^ 2 + 2 * ln(q.rank) >= $6 ^ 2)
),

described AS (
    SELECT
        l.*,
        CASE l.span WHEN 15 THEN l.chats15 ELSE l.chats30 END AS voices,
        (SELECT sum(greatest(c, 0)) FROM unnest($1[l.sec + 1:l.sec + l.span]) AS c) AS chats,
        coalesce(TRUE = ANY($2[l.sec + 1:l.sec + l.span]), FALSE) AS touches_gap
    FROM listed AS l
)

SELECT
    d.rank, d.sec, d.sec + d.span, least(d.chats, 2147483647)::int,
    peak_onset($1, $2, d.sec, d.sec + d.span),
    d.score, d.touches_gap,
    ARRAY[
        'surge z=' || round(d.score::numeric, 1),
        round((d.voices / d.span / d.baseline)::numeric, 1) || 'x usual'
    ]
    || CASE WHEN 2 * d.voices < d.chats THEN ARRAY['few chatters'] ELSE '{}' END
    || CASE WHEN d.touches_gap THEN ARRAY['touches gap'] ELSE '{}' END,
    d.baseline
FROM described AS d
ORDER BY d.rank
$$;

COMMENT ON FUNCTION surge_peaks(int[], boolean[], int[], int, int, double precision) IS
'Sudden rises against the last minute and the minutes before it, in sigmas of this broadcast; baseline in chats/s.';
