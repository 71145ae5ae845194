-- Days that are over are packed by columns: a fraction of the size, and read by broadcast. Segment and order are the
-- columns of the unique key, so that a late row finds the one batch that might hold it already.
-- (The old option names: those of the columnstore came with TimescaleDB 2.18.)

ALTER TABLE event SET (
    timescaledb.compress,
    timescaledb.compress_segmentby = 'broadcast_id',
    timescaledb.compress_orderby = 'ts, event_key'
);

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
