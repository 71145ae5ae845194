-- name: live_collectors
-- What time it is for the database, and the collectors that gave a sign of life within a day.
SELECT
    clock.at,
    s.collector_id,
    s.heartbeat_at,
    s.stopped_at IS NOT NULL AS stopped,
    s.channels,
    s.live,
    s.queued,
    s.spool_bytes,
    s.delay_sec
FROM (SELECT now() AS at) AS clock
LEFT JOIN collector_status AS s ON s.heartbeat_at > clock.at - INTERVAL '1 day'
ORDER BY s.collector_id;

-- name: broadcasts_on_air
-- Broadcasts on air, those that ended after a moment (NULL: none), and some by their stream_id: who, what, their last
-- viewers, and their gaps that reach into the hour before now. A gap without an end is open.
SELECT
    b.broadcast_id,
    b.stream_id,
    b.channel_id,
    c.name AS streamer,
    b.title,
    b.category,
    b.opened_at,
    b.closed_at,
    v.viewers,
    v.ts AS viewers_at,
    coalesce(g.from_ts, '{}') AS gap_from,
    coalesce(g.to_ts, '{}') AS gap_to
FROM broadcast AS b
INNER JOIN channel AS c ON b.channel_id = c.channel_id
LEFT JOIN LATERAL (
    SELECT
        s.viewers,
        s.ts
    FROM viewer_sample AS s
    WHERE s.broadcast_id = b.broadcast_id AND s.ts > now() - INTERVAL '1 day'
    ORDER BY s.ts DESC
    LIMIT 1
) AS v ON TRUE
LEFT JOIN LATERAL (
    SELECT
        array_agg(p.from_ts ORDER BY p.from_ts) AS from_ts,
        array_agg(p.to_ts ORDER BY p.from_ts) AS to_ts
    FROM gap AS p
    WHERE
        p.broadcast_id = b.broadcast_id
        AND p.repaired_at IS NULL
        AND (p.to_ts IS NULL OR p.to_ts > now() - INTERVAL '1 hour')
) AS g ON TRUE
WHERE
    b.closed_at IS NULL
    OR b.closed_at > %(ended_after)s::TIMESTAMPTZ
    OR b.stream_id = any(%(stream_ids)s::TEXT[])
ORDER BY b.opened_at, b.broadcast_id;

-- name: live_seconds
-- What fill_second counts, of several broadcasts and from a second on that is a multiple of 30, with the donations.
WITH followed AS (
    SELECT
        w.broadcast_id,
        w.opened_at,
        w.from_ts
    FROM
        unnest(%(broadcast_id)s::INTEGER[], %(opened_at)s::TIMESTAMPTZ[], %(from_ts)s::TIMESTAMPTZ[])
            AS w (broadcast_id, opened_at, from_ts)
),

-- ORDER BY: one walk along the index for each broadcast, whatever the planner thinks of a table it does not know yet.
-- not_before is from_ts once more, as a constant: chunks of other days are not even looked at.
seen AS (
    SELECT
        w.broadcast_id,
        e.kind,
        e.amount,
        hashtextextended(e.user_id, 0) AS author,
        floor(date_part('epoch', e.ts - w.opened_at))::INTEGER AS sec,
        floor(date_part('epoch', e.ts - w.opened_at) / 30)::INTEGER AS slot
    FROM followed AS w
    CROSS JOIN LATERAL (
        SELECT
            v.ts,
            v.kind,
            v.amount,
            v.user_id
        FROM event AS v
        WHERE
            v.broadcast_id = w.broadcast_id
            AND v.ts >= w.from_ts
            AND v.ts >= %(not_before)s::TIMESTAMPTZ
            AND v.kind IN ('chat', 'donation')
        ORDER BY v.ts
    ) AS e
),

-- who wrote how much in the half minute, and which of these chats this is
said AS (
    SELECT
        broadcast_id,
        sec,
        slot,
        author,
        row_number() OVER (PARTITION BY broadcast_id, slot, author ORDER BY sec) AS nth,
        count(*) OVER (PARTITION BY broadcast_id, slot, author) AS chats
    FROM seen
    WHERE kind = 'chat'
),

-- everybody who wrote as much as anybody is the loudest of the half minute
heard AS (
    SELECT
        broadcast_id,
        sec,
        nth > 1
        AND author IS NOT NULL
        AND chats = max(chats) FILTER (WHERE author IS NOT NULL) OVER (PARTITION BY broadcast_id, slot) AS repeated
    FROM said
),

counted AS (
    SELECT
        broadcast_id,
        sec,
        count(*) AS chats,
        count(*) FILTER (WHERE NOT repeated) AS crowd,
        0 AS donations,
        0 AS amount
    FROM heard
    GROUP BY broadcast_id, sec
    UNION ALL
    SELECT
        broadcast_id,
        sec,
        0,
        0,
        count(*),
        coalesce(sum(amount), 0)
    FROM seen
    WHERE kind = 'donation'
    GROUP BY broadcast_id, sec
)

SELECT
    broadcast_id,
    sec,
    sum(chats)::INTEGER AS chats,
    sum(crowd)::INTEGER AS crowd,
    sum(donations)::INTEGER AS donations,
    sum(amount)::BIGINT AS amount
FROM counted
GROUP BY broadcast_id, sec;

-- name: live_surges
-- The surges of a series that a follower holds, by the function that the files are made with.
SELECT
    rank,
    start_sec,
    end_sec,
    value,
    onset_sec,
    score,
    in_gap,
    reasons,
    baseline
FROM
    surge_peaks(
        %(counts)s::INTEGER[], %(in_gap)s::BOOLEAN[], %(crowd)s::INTEGER[], %(min_gap_sec)s, %(topk)s,
        %(threshold)s::DOUBLE PRECISION
    )
ORDER BY start_sec;

-- name: live_words
-- The words that make a peak: said by several people in it, and by a smaller share of the people in the five minutes
-- before. A run of one character counts as two, case does not count, and emotes are no words.
WITH said AS MATERIALIZED (
    SELECT
        e.ts >= %(begin_at)s::TIMESTAMPTZ AS inside,
        e.user_id,
        regexp_replace(
            regexp_replace(lower(left(e.content, 200)), '\{:[^:{}]*:\}', ' ', 'g'), '(.)\1{2,}', '\1\1', 'g'
        ) AS content
    FROM event AS e
    WHERE
        e.broadcast_id = %(broadcast_id)s
        AND e.ts >= %(begin_at)s::TIMESTAMPTZ - INTERVAL '5 minutes'
        AND e.ts < %(end_at)s::TIMESTAMPTZ
        AND e.kind = 'chat'
        AND NOT e.hidden
),

voices AS (
    SELECT
        left(btrim(t.word, '.,~…"''()'), 30) AS word,
        count(DISTINCT s.user_id) FILTER (WHERE s.inside)::DOUBLE PRECISION AS inside,
        count(DISTINCT s.user_id) FILTER (WHERE NOT s.inside)::DOUBLE PRECISION AS before
    FROM said AS s
    CROSS JOIN LATERAL regexp_split_to_table(s.content, '\s+') AS t (word)
    GROUP BY 1
),

people AS (
    SELECT
        count(DISTINCT user_id) FILTER (WHERE inside)::DOUBLE PRECISION AS inside,
        count(DISTINCT user_id) FILTER (WHERE NOT inside)::DOUBLE PRECISION AS before
    FROM said
),

lifted AS (
    SELECT
        v.word,
        v.inside AS voices,
        root_scale(v.inside) - root_scale(v.before * p.inside / greatest(p.before, 1)) AS lift
    FROM voices AS v
    CROSS JOIN people AS p
    WHERE v.word <> '' AND v.inside >= greatest(2, 0.03 * p.inside)
)

SELECT
    word,
    voices::INTEGER AS voices
FROM lifted
WHERE lift > 1
ORDER BY lift DESC, word COLLATE "C"
LIMIT %(words)s;
