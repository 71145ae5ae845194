"""The dialects: one item as the live socket, the recent-chat answer and a video's replay each write it.

Items are joined from encoded pieces rather than dumped from dictionaries: a bench asks for a million of them.
Field names: measured frames of 2026-10-10, and the models of chzzkpy 2.2.0 (unofficial/chat/message.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring
from typing import Any

from simulator.ledger import SentItem

PING, PONG = 0, 10000
CONNECT, CONNECTED = 100, 10100
ASK_RECENT, RECENT = 5101, 15101
CHAT, SPECIAL = 93101, 93102
BLIND, CHANNEL_EVENT = 94008, 93006

FRAME_ITEMS = 50  # items in one frame at most

CANCEL = "CANCEL"  # the blindType that restores a message


@dataclass(frozen=True, slots=True)
class Blinding:
    """A message is hidden, or shown again, some time after it was sent (94008)."""

    time_ms: int
    item: SentItem
    blind_type: str  # CBOTBLIND, HIDDEN, BLIND or CANCEL

    def apply(self) -> None:
        """Bring the ledger's item to its new state."""
        self.item.hidden = self.blind_type != CANCEL
        self.item.status = "NORMAL" if self.blind_type == CANCEL else self.blind_type


@dataclass(frozen=True, slots=True)
class ChannelEvent:
    """Something that concerns the channel, not the chat (93006)."""

    time_ms: int
    body: dict[str, Any]  # has "type"


Entry = SentItem | Blinding | ChannelEvent


@dataclass(frozen=True, slots=True)
class OddItem:
    """An item that is not as it should be, or none at all: as the live socket and the recent chat write it."""

    live: Any
    recent: Any


@dataclass(frozen=True, slots=True)
class Frame:
    """One message for the live socket, and the ledger's items it carries."""

    text: str
    items: Sequence[SentItem] = ()
    parts: int = 1  # WebSocket frames that it is broken into
    binary: bool = False


def _text(value: str | None) -> str:
    return "null" if value is None else encode_basestring(value)


def live_item(item: SentItem, chat_channel_id: str, viewers: int) -> str:
    """One element of the body of 93101 or 93102, as JSON text."""
    return (
        f'{{"svcid":"game","cid":"{chat_channel_id}","mbrCnt":{viewers},"uid":"{item.user_id}",'
        f'"profile":{_text(item.profile)},"msg":{_text(item.text)},"msgTypeCode":{item.type_code},'
        f'"msgStatusType":"{item.status}","extras":{_text(item.extras)},"ctime":{item.time_ms},'
        f'"utime":{item.time_ms},"msgTid":null,"session":false,"msgTime":{item.time_ms}}}'
    )


def recent_item(item: SentItem, chat_channel_id: str, viewers: int) -> dict[str, Any]:
    """One element of 15101's messageList."""
    return {
        "serviceId": "game",
        "channelId": chat_channel_id,
        "messageTime": item.time_ms,
        "userId": item.user_id,
        "content": item.text,
        "extras": item.extras,
        "memberCount": viewers,
        "messageTypeCode": item.type_code,
        "messageStatusType": item.status,
        "createTime": item.time_ms,
        "updateTime": item.time_ms,
        "msgTid": None,
        "profile": item.profile,
    }


# Fields of a live item that the recent chat calls otherwise.
RECENT_NAMES: Mapping[str, str] = {
    "uid": "userId",
    "msg": "content",
    "msgTime": "messageTime",
    "msgTypeCode": "messageTypeCode",
    "msgStatusType": "messageStatusType",
}


def replay_item(item: SentItem, chat_channel_id: str, user_id: str, player_ms: int) -> dict[str, Any]:
    """One element of a replay's videoChats; ``player_ms``: milliseconds into the video."""
    return {
        "chatChannelId": chat_channel_id,
        "messageTime": item.time_ms,
        "userIdHash": user_id,
        "content": item.text,
        "extras": item.extras,
        "messageTypeCode": item.type_code,
        "messageStatusType": item.status,
        "profile": item.profile,
        "playerMessageTime": player_ms,
    }


def frame(command: int, body: Any, chat_channel_id: str, **rest: Any) -> str:
    """A whole frame that is not a list of items."""
    head = {"svcid": "game", "ver": "1", "cid": chat_channel_id, "cmd": command, "tid": None}
    text = json.dumps({**head, "bdy": body, **rest}, ensure_ascii=False, separators=(",", ":"))
    # Half a surrogate pair, which UTF-8 has no bytes for, is written as JSON can write it.
    return text.encode(errors="backslashreplace").decode()


def blind_frame(blinding: Blinding, chat_channel_id: str) -> str:
    """The frame of a blind or, with the message's own text, of its being taken back."""
    item = blinding.item
    message = {"content": item.text, "extras": item.extras} if blinding.blind_type == CANCEL else None
    body = {
        "serviceId": "game",
        "channelId": chat_channel_id,
        "userId": item.user_id,
        "messageTime": item.time_ms,
        "blindType": blinding.blind_type,
        "blindUserId": None,
        "message": message,
    }
    return frame(BLIND, body, chat_channel_id)


def item_frame(command: int, items: Sequence[SentItem], chat_channel_id: str, viewers: int) -> Frame:
    """A frame of chats (93101) or special items (93102)."""
    body = ",".join([live_item(item, chat_channel_id, viewers) for item in items])
    head = f'{{"svcid":"game","ver":"1","cid":"{chat_channel_id}","cmd":{command},"tid":null,"bdy":['
    return Frame(f"{head}{body}]}}", items)


def frames_of(entries: Iterable[Entry], chat_channel_id: str, viewers: int) -> list[Frame]:
    """The frames for what happened at about the same time: neighbours of one command share a frame of 50 at most.

    A blind is applied to its item here, so that a message still goes out as it was when it was written.
    """
    frames: list[Frame] = []
    run: list[SentItem] = []
    run_command = CHAT

    def close_run() -> None:
        nonlocal run
        if run:
            frames.append(item_frame(run_command, run, chat_channel_id, viewers))
            run = []

    for entry in entries:
        if isinstance(entry, SentItem):
            command = CHAT if entry.kind == "chat" else SPECIAL
            if command != run_command or len(run) == FRAME_ITEMS:
                close_run()
                run_command = command
            run.append(entry)
        else:
            close_run()
            if isinstance(entry, Blinding):
                entry.apply()
                frames.append(Frame(blind_frame(entry, chat_channel_id)))
            else:
                frames.append(Frame(frame(CHANNEL_EVENT, entry.body, chat_channel_id)))
    close_run()
    return frames
