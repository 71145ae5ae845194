"""How much a broadcast has: counted once, for its report and for the row that outlives its messages."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from analytics.session import Connection
from store.queries import query


@dataclass(frozen=True)
class Totals:
    """Counts of one broadcast."""

    kinds: dict[str, dict[str, Any]]
    """Of each kind that it has: events, amount (KRW), hidden, last_ts."""
    chatters: int
    """Different people who wrote since second 0."""

    def events(self, kind: str) -> int:
        """How many of a kind there are."""
        return int(self.kinds[kind]["events"]) if kind in self.kinds else 0


def count_totals(connection: Connection, broadcast_id: int) -> Totals:
    """Counts the session's broadcast; its series must be filled."""
    rows = connection.execute(query("event_totals"), {"broadcast_id": broadcast_id}).fetchall()
    chatters = connection.execute(query("chatter_total")).fetchone()
    return Totals({row["kind"]: row for row in rows}, chatters["chatters"] if chatters else 0)


def early_chatters(connection: Connection, broadcast_id: int, opened_at: datetime) -> int:
    """How many people wrote before second 0 only: no series has them, and broadcast_overview counts them."""
    row = connection.execute(
        query("early_chatter_total"), {"broadcast_id": broadcast_id, "opened_at": opened_at}
    ).fetchone()
    return row["chatters"] if row else 0


def store_total(
    connection: psycopg.Connection[Any], broadcast_id: int, totals: Totals, early: int, counted_at: datetime
) -> None:
    """Keeps the totals as broadcast_overview would count them."""
    donations = totals.kinds.get("donation", {})
    connection.execute(
        query("store_total"),
        {
            "broadcast_id": broadcast_id,
            "chats": totals.events("chat"),
            "donations": totals.events("donation"),
            "donation_amount": int(donations.get("amount", 0)),
            "chatters": totals.chatters + early,
            "last_event_at": max((row["last_ts"] for row in totals.kinds.values()), default=None),
            "counted_at": counted_at,
        },
    )
