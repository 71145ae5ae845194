-- Views and functions are made anew whenever their definitions change: replacing them in place could change neither the
-- columns of a view nor the parameters of a function. What somebody built on them makes this fail, and nothing is lost.

DROP VIEW IF EXISTS chat_rate, broadcast_overview, storage, job;

DROP FUNCTION IF EXISTS jobs_of_nokchart;

DROP FUNCTION IF EXISTS count_broadcast;

DROP FUNCTION IF EXISTS kept_since;

DROP FUNCTION IF EXISTS cause_text;

DROP FUNCTION IF EXISTS reasons_text;

DROP FUNCTION IF EXISTS video_url;

DROP FUNCTION IF EXISTS video_moment;

DROP FUNCTION IF EXISTS surge_peaks;

DROP FUNCTION IF EXISTS volume_peaks;

DROP FUNCTION IF EXISTS peak_onset;

DROP FUNCTION IF EXISTS pick_apart;

DROP FUNCTION IF EXISTS root_scale;
