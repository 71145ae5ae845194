-- Days that are over are packed by columns, to a sixth of their size. An author's messages of a broadcast side by side
-- pack best: hash and name cost next to nothing then. (The old names of the options: those of the columnstore came with
-- TimescaleDB 2.18.)

-- So that a late row finds the few batches that might hold it already by their least and greatest author. Which rows
-- are the same stays the same, for event_key is a digest of the author too.
ALTER TABLE event
DROP CONSTRAINT event_broadcast_id_ts_event_key_key,
ADD CONSTRAINT event_once UNIQUE NULLS NOT DISTINCT (broadcast_id, ts, event_key, user_id);

-- What came last, of all broadcasts: the real-time part of each aggregate and every refresh ask so. Of unpacked days
-- only, so it stays small.
CREATE INDEX event_ts ON event (ts);

ALTER TABLE event SET (
    timescaledb.compress,
    timescaledb.compress_segmentby = 'broadcast_id',
    timescaledb.compress_orderby = 'kind, user_id, ts'
);

-- Among packed rows TimescaleDB does not find the one without an author (a notice, a channel event): so we look. Rare
-- enough for a look each; with its schema, for in a session that reads a folder `event` is something else.
CREATE FUNCTION leave_out_known() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    IF EXISTS (
        SELECT FROM public.event AS e
        WHERE
            e.broadcast_id = NEW.broadcast_id
            AND e.ts = NEW.ts
            AND e.event_key = NEW.event_key
            AND e.user_id IS NULL
    ) THEN
        RETURN NULL;
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER event_without_author
BEFORE INSERT ON event
FOR EACH ROW WHEN (new.user_id IS NULL)
EXECUTE FUNCTION leave_out_known();

ALTER TABLE viewer_sample SET (
    timescaledb.compress,
    timescaledb.compress_segmentby = 'broadcast_id',
    timescaledb.compress_orderby = 'ts'
);

ALTER MATERIALIZED VIEW chat_1s SET (
    timescaledb.compress,
    timescaledb.compress_segmentby = 'broadcast_id',
    timescaledb.compress_orderby = 'bucket'
);
