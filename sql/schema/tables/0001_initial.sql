-- The tables of both editions. Times are timestamptz, amounts KRW. A file in this folder never changes once released:
-- the next change is the next file.

CREATE TABLE channel (
    channel_id text PRIMARY KEY, -- Chzzk's 32 hexadecimal digits
    name text, -- as last seen; NULL until Chzzk has told it
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE broadcast (
    broadcast_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream_id text NOT NULL UNIQUE, -- <open date as YYYYMMDD-HHMMSS in KST>_<channel_id>; of an import, its own
    channel_id text NOT NULL REFERENCES channel,
    opened_at timestamptz NOT NULL, -- Chzzk's openDate: second 0 of every series
    closed_at timestamptz, -- NULL while on air
    close_cause text, -- closed: two CLOSE answers; replaced: a new openDate; idle: silent and CLOSE; import
    title text, -- as last seen
    category text, -- as last seen
    chat_channel_id text, -- as last seen; a broadcast may change it
    exported_at timestamptz, -- when its files were last written; NULL or older than the last change: to do
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (channel_id, opened_at)
);

CREATE TABLE event (
    ts timestamptz NOT NULL, -- Chzzk's own time of the message, to the millisecond
    broadcast_id integer NOT NULL,
    kind text NOT NULL CHECK (kind IN (
        'chat', -- type 1: what the chat rate counts
        'donation', -- type 10
        'subscription', -- type 11
        'gift', -- type 12, a subscription given away
        'party', -- type 13
        'system', -- type 30: written by Chzzk, not by a person
        'other' -- any other type, and channel events (command 93006 and the like)
    )),
    event_key bigint NOT NULL, -- digest of (type, author, time, text or donationId): one message, one key
    user_id text, -- Chzzk's hash of the author; 'anonymous' for most donations
    nickname text,
    content text,
    amount integer, -- KRW, of donations
    hidden boolean NOT NULL DEFAULT false, -- blinded or deleted by now; its text is kept
    source text NOT NULL CHECK (source IN (
        'live', -- from the chat socket as it was said
        'recent', -- from the history that a new connection asks for
        'replay', -- from the chat of the broadcast's video
        'import' -- from an events.jsonl
    )),
    received_at timestamptz, -- by the collector's clock
    extra jsonb, -- what has no column of its own
    UNIQUE (broadcast_id, ts, event_key)
);

CREATE TABLE rejected_item (
    rejected_item_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    broadcast_id integer,
    received_at timestamptz NOT NULL,
    source text NOT NULL,
    reason text NOT NULL, -- what could not be understood
    raw text NOT NULL -- the item as ASCII JSON: nothing of it is lost, whatever its characters
);

CREATE TABLE viewer_sample (
    ts timestamptz NOT NULL, -- when the status was asked
    broadcast_id integer NOT NULL,
    viewers integer NOT NULL,
    PRIMARY KEY (broadcast_id, ts)
);

CREATE TABLE broadcast_change (
    ts timestamptz NOT NULL, -- when the new value was first seen
    broadcast_id integer NOT NULL REFERENCES broadcast,
    title text,
    category text,
    PRIMARY KEY (broadcast_id, ts)
);

CREATE TABLE connection (
    connection_id uuid PRIMARY KEY, -- made by the collector, so that a replayed record is the same row
    broadcast_id integer NOT NULL REFERENCES broadcast,
    connected_at timestamptz NOT NULL,
    disconnected_at timestamptz, -- NULL while connected, or when the collector was killed
    cause text, -- why it ended: close 1006, silent, chat channel changed, stopped, ...
    refilled integer NOT NULL DEFAULT 0 -- items that the recent chat brought
);

CREATE INDEX connection_broadcast ON connection (broadcast_id, connected_at);

CREATE TABLE gap (
    gap_id uuid PRIMARY KEY,
    broadcast_id integer NOT NULL REFERENCES broadcast,
    from_ts timestamptz NOT NULL, -- the last message that is surely there
    to_ts timestamptz NOT NULL, -- the first message that is there again
    cause text NOT NULL, -- late start, close 1006, silent, ...
    repaired_at timestamptz, -- when what was missing had been fetched; NULL: it is still missing
    CHECK (to_ts >= from_ts)
);

CREATE INDEX gap_broadcast ON gap (broadcast_id, from_ts);

CREATE TABLE peak (
    broadcast_id integer NOT NULL REFERENCES broadcast,
    method text NOT NULL CHECK (method IN ('volume', 'surge')),
    rank integer NOT NULL,
    start_sec integer NOT NULL, -- seconds since opened_at
    end_sec integer NOT NULL, -- exclusive
    onset_sec integer NOT NULL, -- where the rise begins
    value integer NOT NULL, -- chats in [start_sec, end_sec)
    score double precision NOT NULL, -- see docs/peaks.md
    in_gap boolean NOT NULL, -- the window touches seconds that were not collected
    reasons text[] NOT NULL,
    analysed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (broadcast_id, method, rank)
);

CREATE TABLE collector_status (
    collector_id text PRIMARY KEY, -- host and process
    started_at timestamptz NOT NULL,
    heartbeat_at timestamptz NOT NULL, -- health is the age of this, not the presence of a process
    stopped_at timestamptz, -- NULL: running, or killed
    channels integer NOT NULL, -- watched
    live integer NOT NULL, -- on air
    events bigint NOT NULL, -- committed since the start
    rejected bigint NOT NULL,
    queued integer NOT NULL, -- waiting for the writer
    last_commit_at timestamptz
);

CREATE TABLE installation (
    edition text NOT NULL CHECK (edition IN ('timescaledb', 'postgresql')), -- decided once, when the tables are made
    definitions text NOT NULL -- digest of the views and policies that are installed
);
