-- name: insert_events
-- A batch of events, one array a column; how many of them are new. A second delivery of a message changes nothing. What
-- comes after the end of its broadcast makes the broadcast's files due again; the order of the locks keeps two writers
-- from waiting for each other.
WITH new AS (
    INSERT INTO event (
        ts, broadcast_id, kind, event_key, user_id, nickname, content, amount, hidden, source, received_at, extra
    )
    SELECT
        TIMESTAMPTZ 'epoch' + e.ts_ms * INTERVAL '1 millisecond',
        b.broadcast_id,
        e.kind,
        e.event_key,
        e.user_id,
        e.nickname,
        e.content,
        e.amount,
        e.hidden,
        e.source,
        TIMESTAMPTZ 'epoch' + e.received_ms * INTERVAL '1 millisecond',
        e.extra::JSONB
    FROM
        unnest(
            $1::TEXT[], $2::BIGINT[], $3::TEXT[], $4::BIGINT[], $5::TEXT[], $6::TEXT[],
            $7::TEXT[], $8::INTEGER[], $9::BOOLEAN[], $10::TEXT[], $11::BIGINT[], $12::TEXT[]
        )
            AS e (
                stream_id, ts_ms, kind, event_key, user_id, nickname,
                content, amount, hidden, source, received_ms, extra
            )
    -- Left: rows of a broadcast that is not there must be refused, not vanish.
    LEFT JOIN broadcast AS b ON e.stream_id = b.stream_id
    ON CONFLICT DO NOTHING
    RETURNING broadcast_id
),

late AS (
    SELECT b.broadcast_id
    FROM broadcast AS b
    WHERE b.closed_at IS NOT NULL AND b.broadcast_id IN (SELECT new.broadcast_id FROM new)
    ORDER BY b.broadcast_id
    FOR NO KEY UPDATE
),

touched AS (
    UPDATE broadcast
    SET updated_at = clock_timestamp()
    FROM late
    WHERE broadcast.broadcast_id = late.broadcast_id
)

SELECT count(*) AS events
FROM new;

-- name: hide_event
-- A message was blinded ($4 true) or restored; author and time name it. After the end, the files are due again.
WITH changed AS (
    UPDATE event
    SET hidden = $4::BOOLEAN
    FROM broadcast AS b
    WHERE
        b.stream_id = $1::TEXT
        AND event.broadcast_id = b.broadcast_id
        AND event.ts = TIMESTAMPTZ 'epoch' + $2::BIGINT * INTERVAL '1 millisecond'
        -- the same by an immutable function: so only the message's day is planned for
        AND event.ts BETWEEN to_timestamp($2::BIGINT / 1000 - 1) AND to_timestamp($2::BIGINT / 1000 + 1)
        AND event.user_id = $3::TEXT
        AND event.hidden <> $4::BOOLEAN
    RETURNING event.broadcast_id
)

UPDATE broadcast
SET updated_at = clock_timestamp()
WHERE closed_at IS NOT NULL AND broadcast_id IN (SELECT changed.broadcast_id FROM changed);

-- name: settle_events
-- The state of messages as it is now, one array a column, in order of time. After the end, the files are due again.
WITH changed AS (
    UPDATE event
    SET hidden = s.hidden
    FROM
        broadcast AS b,
        unnest($2::BIGINT[], $3::BIGINT[], $4::BOOLEAN[]) AS s (ts_ms, event_key, hidden)
    WHERE
        b.stream_id = $1::TEXT
        AND event.broadcast_id = b.broadcast_id
        AND event.ts = TIMESTAMPTZ 'epoch' + s.ts_ms * INTERVAL '1 millisecond'
        -- by parameters alone, not only by the join: or every packed day would be unpacked to look there
        AND event.ts >= to_timestamp(($2::BIGINT[])[1] / 1000 - 1)
        AND event.ts <= to_timestamp(($2::BIGINT[])[cardinality($2::BIGINT[])] / 1000 + 1)
        AND event.event_key = s.event_key
        AND event.hidden <> s.hidden
    RETURNING event.broadcast_id
)

UPDATE broadcast
SET updated_at = clock_timestamp()
WHERE closed_at IS NOT NULL AND broadcast_id IN (SELECT changed.broadcast_id FROM changed);

-- name: insert_rejected_item
-- An item that could not be understood, as it came.
INSERT INTO rejected_item (broadcast_id, item_id, received_at, source, reason, raw)
VALUES (
    (
        SELECT b.broadcast_id
        FROM broadcast AS b
        WHERE b.stream_id = $1::TEXT
    ),
    $2::UUID,
    $3::TIMESTAMPTZ,
    $4::TEXT,
    $5::TEXT,
    $6::TEXT
)
ON CONFLICT (item_id) DO NOTHING;

-- name: upsert_channel
-- The channel, and its name where Chzzk has told it.
INSERT INTO channel (channel_id, name)
VALUES ($1::TEXT, $2::TEXT)
ON CONFLICT (channel_id) DO UPDATE
    SET name = coalesce(excluded.name, channel.name), updated_at = now();

-- name: open_broadcast
-- The broadcast's row, made or found: a restarted collector continues it, even after a CLOSE that was false. What was
-- imported of the same broadcast is its beginning. $7: when restart_resume: false began a recording of its own.
INSERT INTO broadcast (stream_id, channel_id, opened_at, title, category, chat_channel_id, anew_at)
VALUES ($1::TEXT, $2::TEXT, $3::TIMESTAMPTZ, $4::TEXT, $5::TEXT, $6::TEXT, $7::TIMESTAMPTZ)
ON CONFLICT (channel_id, opened_at, anew_at) DO UPDATE
    SET
        stream_id = excluded.stream_id,
        closed_at = NULL,
        close_cause = NULL,
        title = coalesce(excluded.title, broadcast.title),
        category = coalesce(excluded.category, broadcast.category),
        chat_channel_id = coalesce(excluded.chat_channel_id, broadcast.chat_channel_id),
        updated_at = clock_timestamp();

-- name: end_stale_connections
-- Connections that a killed collector could not end: they lasted at most until the last row that they brought. Only
-- those from before $2, for this may be replayed.
UPDATE connection
SET
    disconnected_at = greatest(
        connection.connected_at,
        (
            SELECT max(e.received_at)
            FROM event AS e
            WHERE
                e.broadcast_id = connection.broadcast_id
                AND e.received_at >= connection.connected_at
                AND e.ts >= connection.connected_at - INTERVAL '1 hour' -- only its days are looked at
        )
    ),
    cause = 'collector killed'
FROM broadcast AS b
WHERE
    b.stream_id = $1::TEXT
    AND connection.broadcast_id = b.broadcast_id
    AND connection.connected_at < $2::TIMESTAMPTZ
    AND connection.disconnected_at IS NULL;

-- name: change_broadcast
-- The title or the category as it is now; a row only where it is another one.
WITH changed AS (
    UPDATE broadcast
    SET title = coalesce($3::TEXT, title), category = coalesce($4::TEXT, category), updated_at = clock_timestamp()
    WHERE stream_id = $1::TEXT
    RETURNING broadcast_id, title, category
)

INSERT INTO broadcast_change (ts, broadcast_id, title, category)
SELECT
    $2::TIMESTAMPTZ,
    changed.broadcast_id,
    changed.title,
    changed.category
FROM changed
LEFT JOIN LATERAL (
    SELECT
        c.title,
        c.category
    FROM broadcast_change AS c
    WHERE c.broadcast_id = changed.broadcast_id
    ORDER BY c.ts DESC
    LIMIT 1
) AS latest ON TRUE
WHERE latest.title IS DISTINCT FROM changed.title OR latest.category IS DISTINCT FROM changed.category
ON CONFLICT DO NOTHING;

-- name: move_chat
-- The broadcast's chat moved to another chat channel.
UPDATE broadcast
SET chat_channel_id = $2::TEXT, updated_at = clock_timestamp()
WHERE stream_id = $1::TEXT;

-- name: close_broadcast
-- The broadcast is over, and with it each connection that nobody could end: it lasted at most until its last row.
WITH closed AS (
    UPDATE broadcast
    SET closed_at = greatest($2::TIMESTAMPTZ, opened_at), close_cause = $3::TEXT, updated_at = clock_timestamp()
    WHERE stream_id = $1::TEXT
    RETURNING broadcast_id
)

UPDATE connection
SET
    disconnected_at = greatest(
        connection.connected_at,
        (
            SELECT max(e.received_at)
            FROM event AS e
            WHERE
                e.broadcast_id = connection.broadcast_id
                AND e.received_at >= connection.connected_at
                AND e.ts >= connection.connected_at - INTERVAL '1 hour' -- only its days are looked at
        )
    ),
    cause = 'collector killed'
FROM closed
WHERE connection.broadcast_id = closed.broadcast_id AND connection.disconnected_at IS NULL;

-- name: insert_viewer_sample
-- How many were watching when the status was asked.
INSERT INTO viewer_sample (ts, broadcast_id, viewers)
SELECT
    $2::TIMESTAMPTZ,
    b.broadcast_id,
    $3::INTEGER
FROM broadcast AS b
WHERE b.stream_id = $1::TEXT
ON CONFLICT DO NOTHING;

-- name: start_connection
-- The chat server welcomed us.
INSERT INTO connection (connection_id, broadcast_id, connected_at)
SELECT
    $2::UUID,
    b.broadcast_id,
    $3::TIMESTAMPTZ
FROM broadcast AS b
WHERE b.stream_id = $1::TEXT
ON CONFLICT DO NOTHING;

-- name: end_connection
-- A connection ended, and why; how many items its recent chat brought.
UPDATE connection
SET disconnected_at = greatest($2::TIMESTAMPTZ, connected_at), cause = $3::TEXT, refilled = $4::INTEGER
WHERE connection_id = $1::UUID;

-- name: open_gap
-- From here on nobody knows what was said: the collector begins ($3 NULL: after what is stored), or lost its connection
-- at $3. One open gap is enough. Of what is stored, a message counts as the newest if another is within a minute before
-- it: a single one may have come with a time in the future.
WITH chat AS (
    SELECT
        broadcast_id,
        opened_at
    FROM broadcast
    WHERE stream_id = $1::TEXT
),

latest AS (
    SELECT
        e.ts,
        lead(e.ts) OVER (ORDER BY e.ts DESC) AS before
    FROM event AS e
    WHERE e.broadcast_id = (SELECT chat.broadcast_id FROM chat) AND e.user_id IS NOT NULL
    ORDER BY e.ts DESC
    LIMIT 20
),

stored AS (
    SELECT
        max(ts) FILTER (WHERE ts - before <= INTERVAL '1 minute') AS newest,
        min(ts) AS oldest
    FROM latest
)

INSERT INTO gap (gap_id, broadcast_id, from_ts, cause)
SELECT
    $2::UUID,
    chat.broadcast_id,
    greatest(
        chat.opened_at,
        coalesce(TIMESTAMPTZ 'epoch' + $3::BIGINT * INTERVAL '1 millisecond', stored.newest, stored.oldest)
    ),
    CASE WHEN $3::BIGINT IS NULL AND stored.oldest IS NULL THEN 'late start' ELSE $4::TEXT END
FROM chat
CROSS JOIN stored
WHERE
    NOT EXISTS (
        SELECT FROM gap AS g
        WHERE g.broadcast_id = chat.broadcast_id AND g.to_ts IS NULL
    )
ON CONFLICT DO NOTHING;

-- name: close_gap
-- Everything said from $2 on is there (NULL: nothing was missed): what lies between is lost, or there was nothing.
WITH chat AS (
    SELECT
        b.broadcast_id,
        TIMESTAMPTZ 'epoch' + $2::BIGINT * INTERVAL '1 millisecond' AS back_at
    FROM broadcast AS b
    WHERE b.stream_id = $1::TEXT
),

filled AS (
    DELETE FROM gap
    USING chat
    WHERE
        gap.broadcast_id = chat.broadcast_id
        AND gap.to_ts IS NULL
        AND (chat.back_at IS NULL OR chat.back_at <= gap.from_ts)
    RETURNING gap.broadcast_id
),

ended AS (
    UPDATE gap
    SET to_ts = chat.back_at
    FROM chat
    WHERE gap.broadcast_id = chat.broadcast_id AND gap.to_ts IS NULL AND gap.from_ts < chat.back_at
    RETURNING gap.broadcast_id
)

UPDATE broadcast
SET updated_at = clock_timestamp()
WHERE
    closed_at IS NOT NULL
    AND (
        broadcast_id IN (SELECT filled.broadcast_id FROM filled)
        OR broadcast_id IN (SELECT ended.broadcast_id FROM ended)
    );

-- name: insert_gap
-- Chat that was delivered and could be kept nowhere. After the end of the broadcast, its files are due again.
WITH new AS (
    INSERT INTO gap (gap_id, broadcast_id, from_ts, to_ts, cause)
    SELECT
        $2::UUID,
        b.broadcast_id,
        TIMESTAMPTZ 'epoch' + $3::BIGINT * INTERVAL '1 millisecond',
        TIMESTAMPTZ 'epoch' + $4::BIGINT * INTERVAL '1 millisecond',
        $5::TEXT
    FROM broadcast AS b
    WHERE b.stream_id = $1::TEXT
    ON CONFLICT DO NOTHING
    RETURNING broadcast_id
)

UPDATE broadcast
SET updated_at = clock_timestamp()
WHERE closed_at IS NOT NULL AND broadcast_id IN (SELECT new.broadcast_id FROM new);

-- name: close_abandoned
-- Broadcasts of the channel, other than $2, whose end nobody saw: they lasted at least until their newest message. Of
-- that which was opened at $3 Chzzk knows the end, $4: what was said between is missing. Of connections as above.
WITH newest AS (
    SELECT
        b.broadcast_id,
        b.opened_at,
        greatest(
            b.opened_at,
            (
                SELECT max(e.ts)
                FROM event AS e
                WHERE e.broadcast_id = b.broadcast_id
            )
        ) AS ts
    FROM broadcast AS b
    WHERE b.channel_id = $1::TEXT AND b.closed_at IS NULL AND b.stream_id IS DISTINCT FROM $2::TEXT
),

abandoned AS (
    UPDATE broadcast
    SET
        closed_at = greatest(newest.ts, CASE WHEN newest.opened_at = $3::TIMESTAMPTZ THEN $4::TIMESTAMPTZ END),
        close_cause = 'unseen',
        updated_at = clock_timestamp()
    FROM newest
    WHERE broadcast.broadcast_id = newest.broadcast_id
    RETURNING broadcast.broadcast_id, newest.ts, broadcast.closed_at
),

ended AS (
    UPDATE connection
    SET
        disconnected_at = greatest(
            connection.connected_at,
            (
                SELECT max(e.received_at)
                FROM event AS e
                WHERE
                    e.broadcast_id = connection.broadcast_id
                    AND e.received_at >= connection.connected_at
                    AND e.ts >= connection.connected_at - INTERVAL '1 hour' -- only its days are looked at
            )
        ),
        cause = 'collector killed'
    FROM abandoned
    WHERE connection.broadcast_id = abandoned.broadcast_id AND connection.disconnected_at IS NULL
),

open_until_the_end AS (
    UPDATE gap
    SET to_ts = greatest(gap.from_ts, abandoned.closed_at)
    FROM abandoned
    WHERE gap.broadcast_id = abandoned.broadcast_id AND gap.to_ts IS NULL
)

INSERT INTO gap (gap_id, broadcast_id, from_ts, to_ts, cause)
SELECT
    $5::UUID,
    abandoned.broadcast_id,
    abandoned.ts,
    abandoned.closed_at,
    'collector away'
FROM abandoned
WHERE
    abandoned.ts < abandoned.closed_at
    AND NOT EXISTS (
        SELECT FROM gap AS g
        WHERE g.broadcast_id = abandoned.broadcast_id AND g.to_ts IS NULL
    )
ON CONFLICT DO NOTHING;
