"""The event: one message of a broadcast, as both the collector and the analysis know it."""

import hashlib
from datetime import datetime, timedelta, timezone
from typing import Literal, NamedTuple, get_args

Kind = Literal["chat", "donation", "subscription", "gift", "party", "system", "other"]
Source = Literal["live", "recent", "replay", "import"]
KINDS: tuple[Kind, ...] = get_args(Kind)

# Chzzk counts in Korean time, which has had no daylight saving since 1988: a fixed offset is exact.
KST = timezone(timedelta(hours=9), "KST")

# Chzzk's message type codes; every other code is kind 'other'. Keys are digests of the code, so these never change.
KIND_OF_TYPE: dict[int, Kind] = {1: "chat", 10: "donation", 11: "subscription", 12: "gift", 13: "party", 30: "system"}
TYPE_OF_KIND: dict[str, int] = {kind: code for code, kind in KIND_OF_TYPE.items()}


class Event(NamedTuple):
    """One message of a broadcast. Times are milliseconds since 1970, UTC."""

    ts_ms: int
    """Chzzk's own time of the message."""
    kind: Kind
    event_key: int
    """Signed 64-bit digest, see `event_key`."""
    user_id: str | None
    nickname: str | None
    content: str | None
    amount: int | None
    """KRW."""
    hidden: bool
    source: Source
    received_ms: int | None
    """By the clock of this machine; None for what was imported without it."""
    extra: str | None
    """JSON object with what has no column, or None. `type`: the type code, of kind 'other'; `id`: see `event_key`."""


def event_key(
    type_code: int,
    author: str | None,
    ts_ms: int,
    text: str | None,
    own_id: str | None = None,
    amount: int | None = None,
) -> int:
    """Signed 64-bit digest that names a message, the same whichever way the message came.

    Chzzk has no message id; (author, time) alone is not unique, since most donations share the author 'anonymous'.
    `own_id` is what names some messages all the same; in `extra` it is `id`.
    """
    name = own_id or (text or "" if amount is None else f"{text or ''}\x1f{amount}")
    digest = hashlib.blake2b(f"{type_code}\x1f{author or ''}\x1f{ts_ms}\x1f{name}".encode(), digest_size=8)
    return int.from_bytes(digest.digest(), "big", signed=True)


def stream_id(channel_id: str, opened_at: datetime, anew_at: datetime | None = None) -> str:
    """`<open date as YYYYMMDD-HHMMSS in KST>_<channel_id>`: follows from the broadcast alone, so a restart finds it.

    `anew_at`: of a recording of its own that began then, `_from-YYYYMMDD-HHMMSS` follows.
    """
    own = "" if anew_at is None else f"_from-{require_aware(anew_at).astimezone(KST):%Y%m%d-%H%M%S}"
    return f"{require_aware(opened_at).astimezone(KST):%Y%m%d-%H%M%S}_{channel_id}{own}"


def require_aware(moment: datetime) -> datetime:
    """`moment` itself. ValueError for a naive datetime: this is the border at which those are stopped."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone")
    return moment
