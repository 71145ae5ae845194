-- Several collectors, a collector that may be killed at any moment, and broadcasts that are begun anew.

ALTER TABLE gap ALTER COLUMN to_ts DROP NOT NULL; -- NULL: nobody is there again yet, or died before it was known

ALTER TABLE rejected_item
ADD COLUMN item_id uuid UNIQUE; -- made by the collector, so that a replayed record is the same row; NULL: older

ALTER TABLE broadcast
ADD COLUMN anew_at timestamptz, -- restart_resume: false made this recording of its own at that moment; else NULL
DROP CONSTRAINT broadcast_channel_id_opened_at_key,
ADD CONSTRAINT broadcast_once UNIQUE NULLS NOT DISTINCT (channel_id, opened_at, anew_at);

ALTER TABLE collector_status
ADD COLUMN dropped bigint NOT NULL DEFAULT 0, -- messages that could be kept nowhere, since the start
ADD COLUMN spool_bytes bigint NOT NULL DEFAULT 0, -- on the collector's disk, not committed yet
ADD COLUMN delay_sec double precision; -- from Chzzk's time of a message to its commit, the newest batch's median

CREATE TABLE channel_lease (
    channel_id text PRIMARY KEY, -- of several collectors with the same list, one watches a channel
    collector_id text NOT NULL,
    live boolean NOT NULL DEFAULT false, -- on air: handed over last
    taken_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL -- renewed every few seconds; in the past: free for any collector
);
