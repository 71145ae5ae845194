-- Policies are made anew when a definition changes and at each `nokchart db migrate`, so a change here reaches every
-- server.

SELECT remove_continuous_aggregate_policy(v.name::regclass, if_exists => true)
FROM (VALUES ('chat_1s'), ('chat_60s'), ('chat_300s')) AS v (name);

SELECT remove_compression_policy(v.name::regclass, if_exists => true)
FROM (VALUES ('event'), ('viewer_sample'), ('chat_1s')) AS v (name);

SELECT remove_retention_policy(v.name::regclass, if_exists => true)
FROM (VALUES ('event'), ('chat_1s')) AS v (name);
