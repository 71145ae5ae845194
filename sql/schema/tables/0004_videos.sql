-- Where a moment of a broadcast is in its video (다시보기), which Chzzk publishes after the end.

CREATE TABLE video_part (
    broadcast_id integer NOT NULL REFERENCES broadcast,
    video_no bigint NOT NULL, -- Chzzk's number of the video; a broadcast may have several
    from_ms integer NOT NULL, -- where in the video this part begins; what was cut out lies between two parts
    from_ts timestamptz NOT NULL, -- when that was on air
    to_ts timestamptz NOT NULL, -- until when this part was
    PRIMARY KEY (broadcast_id, video_no, from_ms),
    CHECK (from_ms >= 0 AND to_ts > from_ts)
);
