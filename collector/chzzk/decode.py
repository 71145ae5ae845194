"""From a frame of the chat socket to events: a pure function that never raises, item by item.

Chzzk writes one message in three dialects (live, recent, replay); all three end as the same event with the same key.
What cannot be read is kept as a `Rejected` with its reason, so that nothing delivered is ever dropped.
"""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeGuard

from chzzkpy.unofficial.chat.enums import ChatCmd

from store.event import KIND_OF_TYPE, Event, Kind, Source, event_key
from store.text import clean_json, clean_text, load_json

# A message older or newer than this cannot be one: seconds instead of milliseconds, zero, the year 9999.
_EARLIEST_MS = 1_577_836_800_000  # 2020-01-01, three years before Chzzk opened
_FUTURE_MS = 86_400_000

_HIDDEN = frozenset({"BLIND", "HIDDEN", "CBOTBLIND"})
_MAX_AMOUNT = 2**31 - 1

# What names a message, where it says one of these: the first of them.
_OWN_IDS = ("donationId", "giftId", "id")
# Extras that say nothing.
_NOTHING: tuple[Any, ...] = (None, "", "null", "{}", {})

_TOO_DEEP = '"too deeply nested"'

# Commands with nothing in them that a broadcast's record needs.
_SILENT = frozenset({ChatCmd.PING, ChatCmd.PONG, ChatCmd.CONNECTED})
# Channel events: missions, predictions, advertisements, notices. Kept as events of kind 'other'.
_NOTICES = frozenset({ChatCmd.EVENT, ChatCmd.KICK, ChatCmd.BLOCK, ChatCmd.NOTICE, ChatCmd.PENALTY})


class Dialect(NamedTuple):
    """The names that one of Chzzk's channels gives to a message's fields."""

    source: Source
    author: str
    time: str
    text: str
    type: str
    state: str


LIVE = Dialect("live", "uid", "msgTime", "msg", "msgTypeCode", "msgStatusType")
RECENT = Dialect("recent", "userId", "messageTime", "content", "messageTypeCode", "messageStatusType")
REPLAY = Dialect("replay", "userIdHash", "messageTime", "content", "messageTypeCode", "messageStatusType")


class Blind(NamedTuple):
    """A message was hidden, or shown again. Author and time name it."""

    user_id: str
    ts_ms: int
    hidden: bool


class Rejected(NamedTuple):
    """What could not be understood, as ASCII JSON, and why."""

    source: Source
    reason: str
    raw: str


@dataclass(slots=True)
class Frame:
    """What one frame said."""

    command: int | None = None
    body: Any = None
    """The body of a command that is not made of items (connected, for one)."""
    return_code: int = 0
    """Other than 0: the server refused."""
    events: list[Event] = field(default_factory=list)
    blinds: list[Blind] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    items: int | None = None
    """How many items the frame held, read or not; None where it held no list of items."""

    @property
    def is_recent_chat(self) -> bool:
        """The answer to the request for recent chat."""
        return self.command == int(ChatCmd.RECENT_CHAT)


def decode_frame(data: str | bytes, received_ms: int, server_ms: int | None = None) -> Frame:
    """What `data`, one WebSocket message, says. Never raises.

    `received_ms`: now, by this machine, ms since 1970; `server_ms`: the same by Chzzk's clock, where that is known: the
    time of what comes without one.
    """
    frame = Frame()
    message = load_json(data)
    if not isinstance(message, dict) or not _is_int(message.get("cmd")):
        frame.rejected.append(Rejected("live", "not a message with a command", _raw(data)))
        return frame
    command, body = message["cmd"], message.get("bdy")
    frame.command = command
    if command in (ChatCmd.CHAT, ChatCmd.SPECIAL_CHAT):
        _decode_items(frame, body, LIVE, received_ms)
    elif command == ChatCmd.RECENT_CHAT:
        history = body.get("messageList") if isinstance(body, dict) else None
        _decode_items(frame, history if history is not None else body, RECENT, received_ms)
    elif command == ChatCmd.BLIND:
        _decode_blind(frame, body, received_ms)
    elif command in _SILENT:
        code = message.get("retCode")
        frame.body, frame.return_code = body, code if _is_int(code) else 0
    elif command in _NOTICES:
        try:
            frame.events.append(_notice(command, body, received_ms, received_ms if server_ms is None else server_ms))
        except (ValueError, RecursionError):
            frame.rejected.append(Rejected("live", "too deeply nested", _TOO_DEEP))
    else:
        frame.rejected.append(Rejected("live", f"unknown command {command}", _raw(message)))
    # What cannot even be written down again is kept as the whole frame.
    frame.rejected = [item._replace(raw=_raw(data)) if item.raw == _TOO_DEEP else item for item in frame.rejected]
    return frame


def decode_item(item: Any, dialect: Dialect, received_ms: int) -> Event | Rejected:
    """One message in one of the dialects: the event, or the item itself with the reason why it is none."""
    try:
        return _read_item(item, dialect, received_ms)
    except _Unreadable as error:
        return Rejected(dialect.source, str(error), _raw(item))
    except Exception as error:  # a hostile item must not take its frame with it
        return Rejected(dialect.source, f"{type(error).__name__} while reading it", _raw(item))


class _Unreadable(Exception):
    pass


def _decode_items(frame: Frame, body: Any, dialect: Dialect, received_ms: int) -> None:
    if not isinstance(body, list):
        frame.rejected.append(Rejected(dialect.source, "the body is not a list of items", _raw(body)))
        return
    frame.items = len(body)
    for item in body:
        decoded = decode_item(item, dialect, received_ms)
        if isinstance(decoded, Rejected):
            frame.rejected.append(decoded)
            continue
        frame.events.append(decoded)


def _read_item(item: Any, dialect: Dialect, received_ms: int) -> Event:
    if not isinstance(item, dict):
        raise _Unreadable("not an object")
    ts_ms = item.get(dialect.time)
    if not _is_int(ts_ms):
        raise _Unreadable(f"{dialect.time} is not a number")
    if not _EARLIEST_MS <= ts_ms <= received_ms + _FUTURE_MS:
        raise _Unreadable(f"{dialect.time} is not a time of a broadcast")
    type_code = item.get(dialect.type)
    if not _is_int(type_code):
        raise _Unreadable(f"{dialect.type} is not a number")
    author = _string(item, dialect.author)
    text = _string(item, dialect.text)
    extras = _nested(item.get("extras"))
    profile = _nested(item.get("profile"))
    kind: Kind = KIND_OF_TYPE.get(type_code, "other")
    state = item.get(dialect.state)
    named_by = None if kind == "chat" else next((name for name in _OWN_IDS if extras.get(name)), None)
    own_id = None if named_by is None else clean_text(str(extras[named_by]))

    ours: dict[str, Any] = {}
    if kind == "other":
        ours["type"] = type_code
    if own_id is not None:
        ours["id"] = own_id
    if state is not None and state != "NORMAL":
        ours["state"] = state
    if dialect is REPLAY and "playerMessageTime" in item:
        ours["playerMessageTime"] = item["playerMessageTime"]
    kept = _kept_of_chat(extras) if kind == "chat" else _kept(item.get("extras"), extras, named_by, ours)
    kept.update(ours)
    amount = _amount(extras.get("payAmount")) if kind == "donation" else None
    return Event(
        ts_ms=ts_ms,
        kind=kind,
        event_key=event_key(type_code, author, ts_ms, text, own_id, amount),
        user_id=author,
        nickname=_first_text(profile.get("nickname"), extras.get("nickname")),
        content=text,
        amount=amount,
        hidden=state in _HIDDEN if isinstance(state, str) else False,
        source=dialect.source,
        received_ms=received_ms,
        extra=clean_json(kept) if kept else None,
    )


def _kept_of_chat(extras: dict[str, Any]) -> dict[str, Any]:
    # Four of five chats have nothing beyond these two, and a billion rows should not repeat the rest.
    kept = {}
    if extras.get("emojis"):
        kept["emojis"] = extras["emojis"]
    if (os_type := extras.get("osType")) is not None:
        kept["osType"] = os_type
    return kept


def _kept(raw: Any, extras: dict[str, Any], named_by: str | None, ours: dict[str, Any]) -> dict[str, Any]:
    """What the extras say beside `ours`, the names that we give: name by name, or whole where that would lose any."""
    if not extras:
        return {} if raw in _NOTHING else {"extras": raw}
    kept = {name: value for name, value in extras.items() if name != named_by or name == "giftId"}
    return kept if kept.keys().isdisjoint(ours) else {"extras": extras}


def _decode_blind(frame: Frame, body: Any, received_ms: int) -> None:
    user_id = body.get("userId") if isinstance(body, dict) else None
    ts_ms = body.get("messageTime") if isinstance(body, dict) else None
    if not isinstance(user_id, str) or not _is_int(ts_ms) or not 0 <= ts_ms <= received_ms + _FUTURE_MS:
        frame.rejected.append(Rejected("live", "a blind that names no message", _raw(body)))
        return
    frame.blinds.append(Blind(clean_text(user_id), ts_ms, body.get("blindType") != "CANCEL"))


def _notice(command: int, body: Any, received_ms: int, ts_ms: int) -> Event:
    # It has no time and no id of its own: what it says must name it.
    own_id = hashlib.blake2b(clean_json(body).encode(), digest_size=8).hexdigest()
    return Event(
        ts_ms=ts_ms,
        kind="other",
        event_key=event_key(command, None, ts_ms, None, own_id),
        user_id=None,
        nickname=None,
        content=None,
        amount=None,
        hidden=False,
        source="live",
        received_ms=received_ms,
        extra=clean_json({"type": command, "id": own_id, "body": body}),
    )


def _nested(value: Any) -> dict[str, Any]:
    """profile and extras are JSON inside a string; null, empty and broken ones count as having nothing."""
    if isinstance(value, str) and value:
        value = load_json(value)
    return value if isinstance(value, dict) else {}


def _string(item: dict[str, Any], name: str) -> str | None:
    value = item.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise _Unreadable(f"{name} is not a text")
    return clean_text(value)


def _first_text(*values: Any) -> str | None:
    return next((clean_text(value) for value in values if isinstance(value, str) and value), None)


def _amount(value: Any) -> int | None:
    return value if _is_int(value) and 0 <= value <= _MAX_AMOUNT else None


def _is_int(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _raw(value: Any) -> str:
    """`value` as ASCII JSON; of bytes and unreadable text, their own representation."""
    if isinstance(value, bytes):
        return json.dumps(value.decode("utf-8", "backslashreplace"))
    try:
        return json.dumps(value)
    except (ValueError, RecursionError):
        return _TOO_DEEP
