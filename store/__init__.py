"""The database: connections, editions, migrations, the embedded server, and the event type that both sides share."""
