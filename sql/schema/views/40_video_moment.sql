-- A moment of a broadcast in its video (다시보기), for whoever wants to see it.

CREATE OR REPLACE FUNCTION video_moment(of_broadcast integer, moment timestamptz)
RETURNS TABLE (video_no bigint, video_sec integer)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
AS $$
SELECT
    p.video_no,
    floor(p.from_ms / 1000.0 + extract(EPOCH FROM greatest(moment, p.from_ts) - p.from_ts))::integer
FROM video_part AS p
WHERE p.broadcast_id = of_broadcast AND p.to_ts > moment
ORDER BY p.from_ts, p.video_no
LIMIT 1
$$;

COMMENT ON FUNCTION video_moment(integer, timestamptz) IS
'The video and the second in it; of what was cut out, where the video goes on. No row where it is not known.';

CREATE OR REPLACE FUNCTION video_url(of_broadcast integer, moment timestamptz) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
SELECT 'https://chzzk.naver.com/video/' || video_no || '?currentTime=' || video_sec
FROM video_moment(of_broadcast, moment)
$$;

COMMENT ON FUNCTION video_url(integer, timestamptz) IS
'A link to that moment of the video, as video_moment; NULL where it is not known.';
