"""A second reading of Chzzk's items, written from docs/chzzk-protocol.md and slow: what the decoder is held against."""

from __future__ import annotations

import json
import math
from typing import Any, NamedTuple

DAY_MS = 86_400_000
# author, time, text, type, state
NAMES = {
    93101: ("uid", "msgTime", "msg", "msgTypeCode", "msgStatusType"),
    93102: ("uid", "msgTime", "msg", "msgTypeCode", "msgStatusType"),
    15101: ("userId", "messageTime", "content", "messageTypeCode", "messageStatusType"),
}
KINDS = {1: "chat", 10: "donation", 11: "subscription", 12: "gift", 13: "party", 30: "system"}


class Reading(NamedTuple):
    """What an item says, in the order of the columns that hold it."""

    ts_ms: int
    kind: str
    user_id: str | None
    nickname: str | None
    content: str | None
    amount: int | None
    hidden: bool
    extra: dict[str, Any]
    """All that has no column, as jsonb keeps it."""
    identity: tuple[Any, ...]
    """Two items with one identity are one message."""


def read_item(item: Any, command: int, now_ms: int) -> Reading | None:
    """What an item of a frame says; None where it is to be refused."""
    if type(item) is not dict:
        return None
    author, time_ms, text, code, state = (item.get(name) for name in NAMES[command])
    if type(time_ms) is not int or type(code) is not int:
        return None
    if time_ms < 1_577_836_800_000 or time_ms > now_ms + DAY_MS:
        return None
    if type(author) not in (str, type(None)) or type(text) not in (str, type(None)):
        return None
    kind = KINDS.get(code, "other")
    said, profile = inner(item.get("extras")), inner(item.get("profile"))
    names = [value for value in (profile.get("nickname"), said.get("nickname")) if type(value) is str and value != ""]
    paid = said.get("payAmount")
    amount = paid if kind == "donation" and type(paid) is int and 0 <= paid < 2**31 else None
    own = [] if kind == "chat" else [name for name in ("donationId", "giftId", "id") if said.get(name)]
    own_id = text_of(str(said[own[0]])) if own else None
    ours = {"type": code} if kind == "other" else {}
    ours |= {"id": own_id} if own else {}
    ours |= {"state": state} if state not in (None, "NORMAL") else {}
    return Reading(
        time_ms,
        kind,
        clean(author),
        text_of(names[0]) if names else None,
        clean(text),
        amount,
        state in ("BLIND", "HIDDEN", "CBOTBLIND"),
        storable(_beside(item.get("extras"), kind, own[:1], ours)),
        (code, clean(author) or "", time_ms, own_id or (clean(text) or "", amount)),
    )


def _beside(extras: Any, kind: str, own: list[str], ours: dict[str, Any]) -> dict[str, Any]:
    said = inner(extras)
    if kind == "chat":  # two things of a chat are worth keeping
        emojis = {"emojis": said["emojis"]} if said.get("emojis") else {}
        return emojis | ({"osType": said["osType"]} if said.get("osType") is not None else {}) | ours
    if not said:
        return ({} if extras in (None, "", "{}", "null", {}) else {"extras": extras}) | ours
    rest = dict(said)
    if own in (["donationId"], ["id"]):  # is kept under `id`
        del rest[own[0]]
    return {"extras": said, **ours} if set(rest) & set(ours) else rest | ours


def inner(value: Any) -> dict[str, Any]:
    """profile and extras: JSON in a text; anything else is an object or nothing."""
    if type(value) is str:
        value = lenient(value)
    return value if type(value) is dict else {}


def lenient(text: str) -> Any:
    """JSON with whatever Python reads beyond it; integers of more than 64 bits as doubles. None where it is none."""
    try:
        return json.loads(text, strict=False, parse_int=_integer)
    except (ValueError, RecursionError):
        return None


def storable(value: Any) -> Any:
    """A JSON value as jsonb keeps it."""
    if type(value) is str:
        return text_of(value)
    if type(value) is float:
        return value if math.isfinite(value) else None
    if type(value) is list:
        return [storable(part) for part in value]
    if type(value) is dict:
        return {text_of(name): storable(part) for name, part in value.items()}
    return value


def clean(text: str | None) -> str | None:
    return None if text is None else text_of(text)


def text_of(text: str) -> str:
    """Without NUL and half surrogate pairs."""
    return "".join("\ufffd" if char == "\x00" or "\ud800" <= char <= "\udfff" else char for char in text)


def _integer(digits: str) -> int | float:
    short = len(digits) <= 20  # 64 bits are at most so many digits, with a sign
    return int(digits) if short and -(2**63) <= int(digits) < 2**64 else float(digits)
