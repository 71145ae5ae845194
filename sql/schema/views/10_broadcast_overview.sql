-- What people ask first of a broadcast, and its chat rate by the minute.

CREATE OR REPLACE FUNCTION count_broadcast(counted_id integer)
RETURNS TABLE (chats bigint, donations bigint, donation_amount bigint, chatters bigint, last_event_at timestamptz)
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
AS $$
-- A function, and not part of the view: so who asks for a list does not plan a look at each day that is stored. The
-- chatters apart: DISTINCT by hashing is several times faster than within count().
BEGIN
    RETURN QUERY
    SELECT
        count(*) FILTER (WHERE e.kind = 'chat'),
        count(*) FILTER (WHERE e.kind = 'donation'),
        coalesce(sum(e.amount) FILTER (WHERE e.kind = 'donation'), 0)::bigint,
        (
            SELECT count(*)
            FROM (
                SELECT DISTINCT d.user_id
                FROM public.event AS d
                WHERE d.broadcast_id = counted_id AND d.kind = 'chat' AND d.user_id IS NOT NULL
            ) AS chatter
        ),
        max(e.ts)
    FROM public.event AS e
    WHERE e.broadcast_id = counted_id;
END
$$;

COMMENT ON FUNCTION count_broadcast(integer) IS
'What there is of a broadcast, counted now; no row for NULL. The amount in KRW.';

CREATE OR REPLACE VIEW broadcast_overview AS
SELECT
    b.broadcast_id,
    b.stream_id,
    b.channel_id,
    c.name AS streamer,
    b.title,
    b.category,
    b.opened_at,
    b.closed_at,
    coalesce(f.chats, w.chats) AS chats,
    coalesce(f.donations, w.donations) AS donations,
    coalesce(f.donation_amount, w.donation_amount) AS donation_amount,
    coalesce(f.chatters, w.chatters) AS chatters,
    coalesce(f.last_event_at, w.last_event_at) AS last_event_at,
    coalesce(n.connections, 0) AS connections,
    greatest(coalesce(n.connections, 0) - 1, 0) AS reconnects,
    coalesce(
        (
            SELECT extract(EPOCH FROM sum(upper(m.part) - lower(m.part)))::double precision
            FROM unnest(g.missing) AS m (part)
        ),
        0
    ) AS missing_sec,
    extract(
        EPOCH FROM coalesce(b.closed_at, f.last_event_at, w.last_event_at, b.opened_at) - b.opened_at
    )::double precision AS duration_sec
FROM broadcast AS b
INNER JOIN channel AS c ON b.channel_id = c.channel_id
-- what was counted with its files, unless it has changed since, and whatever changed once its messages may be gone
LEFT JOIN broadcast_total AS f
    ON
        b.broadcast_id = f.broadcast_id AND b.closed_at IS NOT null
        AND (f.counted_at >= b.updated_at OR b.opened_at < kept_since())
LEFT JOIN LATERAL count_broadcast(CASE WHEN f.broadcast_id IS null THEN b.broadcast_id END) AS w ON true
LEFT JOIN LATERAL (
    SELECT count(*) AS connections
    FROM connection AS k
    WHERE k.broadcast_id = b.broadcast_id
) AS n ON true
LEFT JOIN LATERAL (
    -- gaps may overlap, and reach beyond the end: as ranges, each missing second counts once
    SELECT
        range_agg(
            tstzrange(p.from_ts, p.to_ts)
            * tstzrange(
                b.opened_at,
                greatest(b.opened_at, coalesce(b.closed_at, f.last_event_at, w.last_event_at, p.to_ts, p.from_ts))
            )
        ) AS missing
    FROM gap AS p
    WHERE p.broadcast_id = b.broadcast_id AND p.repaired_at IS null
) AS g ON true;

COMMENT ON VIEW broadcast_overview IS
'One row a broadcast: who, what, when, how much chat, how complete. missing_sec: seconds of gaps not repaired.';

CREATE OR REPLACE VIEW chat_rate AS
SELECT
    b.stream_id,
    c.name AS streamer,
    r.broadcast_id,
    r.bucket,
    r.chat_count AS chats_per_minute,
    r.chatters,
    r.donation_count,
    r.donation_amount
FROM chat_60s AS r
INNER JOIN broadcast AS b ON r.broadcast_id = b.broadcast_id
INNER JOIN channel AS c ON b.channel_id = c.channel_id;

COMMENT ON VIEW chat_rate IS 'Chats a minute of the wall clock, by broadcast; see broadcast_series for broadcast time.';
