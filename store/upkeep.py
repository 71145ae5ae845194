"""Looking after the database: which edition it is, and forgetting what is old."""

from datetime import date, datetime, time

import sql
from store.database import Database
from store.event import KST
from store.migrate import licence

_APACHE = " (TimescaleDB is here under the Apache licence, without continuous aggregates: used as plain PostgreSQL)"

# The rows of a broadcast, those that others refer to last.
_FORGET = (
    "forget_event",
    "forget_rejected_item",
    "forget_viewer_sample",
    "forget_broadcast_change",
    "forget_connection",
    "forget_gap",
    "forget_peak",
    "forget_broadcast_total",
    "forget_video_part",
    "forget_broadcast",
)


def edition_text(database: Database) -> str:
    """The edition, and why it is not the other one where a person would expect that."""
    with database.connect() as connection:
        apache = database.edition == "postgresql" and licence(connection) == "apache"
    return f"{database.edition}{_APACHE}" if apache else database.edition


def prune_before(database: Database, day: date, *, really: bool) -> tuple[int, int]:
    """Forgets the broadcasts that ended before `day` began in Korea, with all their rows.

    Each is a transaction of its own: what is interrupted has forgotten some of them whole. Returns how many broadcasts
    and events those are; without `really` nothing is forgotten.
    """
    events = 0
    with database.connect() as connection:
        old = connection.execute(sql.query("broadcasts_before"), {"before": datetime.combine(day, time(), KST)})
        broadcasts = [{"broadcast_id": row[0]} for row in old]
        for one in broadcasts:
            if not really:
                events += next(connection.execute(sql.query("count_events_of"), one))[0]
                continue
            connection.execute(sql.query("unpack_freely"))
            for name in _FORGET:
                forgotten = connection.execute(sql.query(name), one).rowcount
                events += forgotten if name == "forget_event" else 0
            connection.commit()
    return len(broadcasts), events
