"""What the simulator says it sent, against the rows that there are."""

import json
from collections import Counter
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from psycopg.rows import dict_row

from store.database import Database
from store.queries import query

_FIELDS = ("kind", "user_id", "nickname", "content", "ts_ms", "amount", "hidden")
_TS = _FIELDS.index("ts_ms")

# Both ends are of messages that are stored; another one of the same millisecond may be lost.
_GAPS = """
SELECT (extract(epoch FROM from_ts) * 1000)::bigint AS from_ms, (extract(epoch FROM to_ts) * 1000)::bigint AS to_ms
FROM gap JOIN broadcast USING (broadcast_id)
WHERE channel_id = %(channel_id)s
"""


@dataclass
class Comparison:
    """All channels together."""

    sent: int = 0
    stored: int = 0
    lost: int = 0
    """Items that are not there exactly as they were sent."""
    twice: int = 0
    """Rows beyond the one that an item has."""
    invented: int = 0
    """Rows that nobody sent."""
    unexplained: int = 0
    """Of the lost, those outside of every gap."""
    lost_of: dict[str, int] = field(default_factory=dict)
    """The lost of each channel."""
    delivered: int = 0
    """Times that an item was handed to a socket."""
    first_lost: dict[str, Any] | None = None


def compare(database: Database, ledger: Path) -> Comparison:
    """Compares row by row, field by field, one channel after the other."""
    total = Comparison()
    with ledger.open(encoding="utf-8") as lines, database.connect(row_factory=dict_row) as connection:
        for channel_id, items in groupby(map(json.loads, lines), lambda item: item["channel_id"]):
            sent: Counter[tuple[Any, ...]] = Counter()
            for item in items:
                sent[_of_item(item)] += 1
                total.delivered += item["delivered"]
            rows = connection.execute(query("events_of_channel"), {"channel_id": channel_id})
            stored = Counter(tuple(dict(row)[field] for field in _FIELDS) for row in rows)
            lost, more = sent - stored, stored - sent
            total.sent += sent.total()
            total.stored += stored.total()
            total.lost += lost.total()
            total.lost_of[channel_id] = lost.total()
            gaps = connection.execute(_GAPS, {"channel_id": channel_id}).fetchall()
            total.unexplained += sum(
                count
                for row, count in lost.items()
                if not any(gap["from_ms"] <= row[_TS] <= gap["to_ms"] for gap in gaps)
            )
            total.twice += sum(count for row, count in more.items() if row in sent)
            total.invented += sum(count for row, count in more.items() if row not in sent)
            if lost and total.first_lost is None:
                total.first_lost = {"channel_id": channel_id, **dict(zip(_FIELDS, next(iter(lost)), strict=True))}
    return total


def _of_item(item: dict[str, Any]) -> tuple[Any, ...]:
    kind = "other" if item["kind"] == "shop" else item["kind"]  # Chzzk's shop purchases have no kind of their own
    return (
        kind,
        item["user_id"],
        item["nickname"],
        item["text"],
        item["time_ms"],
        item["amount"],
        item["hidden"],
    )
