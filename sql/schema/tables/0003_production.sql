-- For months on a small server: what is kept how long, totals that outlive the messages, and what files were made with.

CREATE TABLE retention (
    relation text PRIMARY KEY CHECK (relation IN ('event', 'chat_1s')), -- chat_60s and chat_300s are kept for ever
    keep_days integer NOT NULL CHECK (keep_days = 0 OR keep_days >= 7), -- 0: for ever
    gone_before timestamptz -- keep_days was less once: what is older may be gone all the same; NULL: nothing is
);

INSERT INTO retention (relation, keep_days) VALUES ('event', 180), ('chat_1s', 400);

CREATE TABLE broadcast_total (
    broadcast_id integer PRIMARY KEY REFERENCES broadcast,
    chats bigint NOT NULL,
    donations bigint NOT NULL,
    donation_amount bigint NOT NULL, -- KRW
    chatters bigint NOT NULL, -- distinct authors of chats
    last_event_at timestamptz, -- NULL: it has none
    counted_at timestamptz NOT NULL -- valid while not older than broadcast.updated_at, and once its messages are gone
);

ALTER TABLE broadcast
ADD COLUMN exported_with text; -- digest of the settings that its files were made with; NULL: not known
