-- name: create_scratch
-- Temporary twins of the tables that an analysis reads. PostgreSQL looks for a name among temporary tables first, so
-- the same queries now read these: a folder is analysed like a broadcast, and leaves nothing in the database.
CREATE TEMP TABLE event (LIKE event INCLUDING ALL);

CREATE TEMP TABLE viewer_sample (LIKE viewer_sample INCLUDING ALL);

CREATE TEMP TABLE gap (LIKE gap INCLUDING ALL);

-- name: default_scratch
-- What is the same in every row that is loaded.
ALTER TABLE event
ALTER COLUMN broadcast_id SET DEFAULT 0,
ALTER COLUMN source SET DEFAULT 'import';

-- name: copy_brief_events
-- Loads what an analysis reads of events, in COPY's text format.
COPY event (ts, kind, event_key, user_id, content, amount, hidden) FROM STDIN (FORMAT text);

-- name: copy_events
-- Loads all of events, in COPY's text format.
COPY event (ts, kind, event_key, user_id, nickname, content, amount, hidden, received_at, extra)
FROM STDIN (FORMAT text);

-- name: create_incoming
-- Where a batch with repeated events waits; it has no unique key.
CREATE TEMP TABLE IF NOT EXISTS incoming (LIKE event INCLUDING DEFAULTS);

-- name: copy_brief_incoming
-- The same columns as copy_brief_events.
COPY incoming (ts, kind, event_key, user_id, content, amount, hidden) FROM STDIN (FORMAT text);

-- name: copy_incoming
-- The same columns as copy_events.
COPY incoming (ts, kind, event_key, user_id, nickname, content, amount, hidden, received_at, extra)
FROM STDIN (FORMAT text);

-- name: merge_incoming
-- What is new of a batch with repeated events.
INSERT INTO event (
    ts, broadcast_id, kind, event_key, user_id, nickname, content, amount, hidden, source, received_at, extra
)
SELECT
    ts,
    broadcast_id,
    kind,
    event_key,
    user_id,
    nickname,
    content,
    amount,
    hidden,
    source,
    received_at,
    extra
FROM incoming
ON CONFLICT DO NOTHING;

-- name: insert_scratch_gap
-- A gap that the folder's collection_report.json tells of.
INSERT INTO gap (gap_id, broadcast_id, from_ts, to_ts, cause, repaired_at)
VALUES (gen_random_uuid(), %(broadcast_id)s, %(from_ts)s, %(to_ts)s, %(cause)s, %(repaired_at)s);

-- name: insert_scratch_viewers
-- How many were watching, of a folder's series.
INSERT INTO viewer_sample (ts, broadcast_id, viewers)
SELECT
    v.ts,
    %(broadcast_id)s,
    v.viewers
FROM unnest(%(ts)s::timestamptz[], %(viewers)s::integer[]) AS v (ts, viewers)
ON CONFLICT DO NOTHING;
