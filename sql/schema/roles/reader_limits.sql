-- Against accidents: who has the reader's password may lift what is set here in a session of his own, and still writes
-- nothing. The number of connections holds in any case.

ALTER ROLE nokchart_reader CONNECTION LIMIT 20;

ALTER ROLE nokchart_reader SET default_transaction_read_only = on;

ALTER ROLE nokchart_reader SET statement_timeout = '30s';

ALTER ROLE nokchart_reader SET idle_in_transaction_session_timeout = '60s';
