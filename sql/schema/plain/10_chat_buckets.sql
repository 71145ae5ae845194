-- Without TimescaleDB's continuous aggregates: the same names, columns and numbers, computed when asked.

CREATE OR REPLACE VIEW chat_1s AS
SELECT
    broadcast_id,
    date_bin(INTERVAL '1 second', ts, TIMESTAMPTZ '2000-01-01 00:00:00+00') AS bucket,
    count(*) FILTER (WHERE kind = 'chat') AS chat_count,
    count(*) FILTER (WHERE kind = 'donation') AS donation_count,
    coalesce(sum(amount) FILTER (WHERE kind = 'donation'), 0) AS donation_amount,
    count(DISTINCT user_id) FILTER (WHERE kind = 'chat') AS chatters
FROM event
GROUP BY broadcast_id, date_bin(INTERVAL '1 second', ts, TIMESTAMPTZ '2000-01-01 00:00:00+00');

CREATE OR REPLACE VIEW chat_60s AS
SELECT
    broadcast_id,
    date_bin(INTERVAL '60 seconds', ts, TIMESTAMPTZ '2000-01-01 00:00:00+00') AS bucket,
    count(*) FILTER (WHERE kind = 'chat') AS chat_count,
    count(*) FILTER (WHERE kind = 'donation') AS donation_count,
    coalesce(sum(amount) FILTER (WHERE kind = 'donation'), 0) AS donation_amount,
    count(DISTINCT user_id) FILTER (WHERE kind = 'chat') AS chatters
FROM event
GROUP BY broadcast_id, date_bin(INTERVAL '60 seconds', ts, TIMESTAMPTZ '2000-01-01 00:00:00+00');

CREATE OR REPLACE VIEW chat_300s AS
SELECT
    broadcast_id,
    date_bin(INTERVAL '300 seconds', ts, TIMESTAMPTZ '2000-01-01 00:00:00+00') AS bucket,
    count(*) FILTER (WHERE kind = 'chat') AS chat_count,
    count(*) FILTER (WHERE kind = 'donation') AS donation_count,
    coalesce(sum(amount) FILTER (WHERE kind = 'donation'), 0) AS donation_amount,
    count(DISTINCT user_id) FILTER (WHERE kind = 'chat') AS chatters
FROM event
GROUP BY broadcast_id, date_bin(INTERVAL '300 seconds', ts, TIMESTAMPTZ '2000-01-01 00:00:00+00');
