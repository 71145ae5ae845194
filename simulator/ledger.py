"""The ledger: everything the simulator has said, in its own words, for a test to compare with what was collected."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

# The simulator's own word for each kind of item, and the type code it has on the wire.
TYPE_CODES: Mapping[str, int] = MappingProxyType(
    {
        "chat": 1,
        "donation": 10,
        "subscription": 11,
        "gift": 12,
        "party": 13,
        "shop": 15,
        "system": 30,
    }
)


@dataclass(slots=True)
class SentItem:
    """One distinct item of a broadcast, whether or not a client was there to receive it.

    The fields from ``status`` on are what the item is made of on the wire; ``profile`` and ``extras`` are the JSON
    texts exactly as they are sent, or None for null.
    """

    broadcast: int  # 0-based index within the channel's schedule
    open_date: datetime  # aware UTC, whole seconds: the broadcast's openDate
    kind: str  # a key of TYPE_CODES
    user_id: str  # 32 hex digits, "anonymous" or "SYSTEM_MESSAGE"
    nickname: str | None  # None where neither profile nor extras give one
    text: str | None
    time_ms: int  # milliseconds since 1970, server time
    profile: str | None
    extras: str | None
    status: str = "NORMAL"  # as it stands now: NORMAL, CBOTBLIND, HIDDEN, BLIND
    hidden: bool = False  # the state after every blind and restore so far
    amount: int | None = None  # KRW, donations only
    donation_id: str | None = None
    details: Mapping[str, Any] = field(
        default_factory=dict
    )  # what has no field: month, tier_no, gift_id, quantity, ...
    delivered: int = 0  # times it was handed to a live socket (93101, 93102), resends included
    recalled: int = 0  # times it was part of a recent-chat answer (15101)

    @property
    def type_code(self) -> int:
        """The item's type on the wire: msgTypeCode or messageTypeCode."""
        return TYPE_CODES[self.kind]

    @property
    def offset_ms(self) -> int:
        """Milliseconds since the broadcast's openDate."""
        return self.time_ms - round(self.open_date.timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class Onset:
    """A moment at which the script makes the chat erupt: the ground truth for peak detection."""

    broadcast: int
    open_date: datetime
    at_sec: float  # seconds since openDate at which the rate begins to rise
    gain: float  # how many times the base rate is added at the height
    theme: str  # the burst's subject, a key of vocabulary.THEMES


def item_as_json(channel_id: str, item: SentItem) -> dict[str, Any]:
    """Return an item as a JSON object: the fields of SentItem without the wire's, dates in ISO 8601."""
    return {
        "channel_id": channel_id,
        "broadcast": item.broadcast,
        "open_date": item.open_date.isoformat(),
        "kind": item.kind,
        "user_id": item.user_id,
        "nickname": item.nickname,
        "text": item.text,
        "time_ms": item.time_ms,
        "amount": item.amount,
        "donation_id": item.donation_id,
        "details": dict(item.details),
        "hidden": item.hidden,
        "delivered": item.delivered,
        "recalled": item.recalled,
    }


def write_ledger(path: Path, ledgers: Mapping[str, Iterable[SentItem]]) -> int:
    """Write items as JSON lines (UTF-8) to ``path`` and return how many; ``ledgers`` maps channel ids to items."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for channel_id, items in ledgers.items():
            for item in items:
                file.write(json.dumps(item_as_json(channel_id, item), ensure_ascii=False) + "\n")
                count += 1
    return count
