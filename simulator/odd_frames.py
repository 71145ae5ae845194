"""Odd frames: faults of what is said over the chat's sockets."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from simulator.broken_sockets import visitors
from simulator.dialect import (
    CANCEL,
    CHAT,
    RECENT_NAMES,
    Blinding,
    ChannelEvent,
    Frame,
    OddItem,
    frame,
    item_frame,
    live_item,
    recent_item,
)
from simulator.fault import KINDS
from simulator.ledger import SentItem

if TYPE_CHECKING:
    from simulator.stage import Stage


def _proper(stage: Stage, number: int, text: str, shift_ms: int = 0) -> SentItem | None:
    """A chat of somebody who has not said anything else; None where there was no broadcast yet."""
    if stage.airing is None:
        return None
    user_id = hashlib.blake2b(f"{stage.now_ms}/{number}/{text[:20]}".encode(), digest_size=16).hexdigest()
    name = f"손님{number}"
    profile = json.dumps({"userIdHash": user_id, "nickname": name}, ensure_ascii=False)
    airing = stage.airing
    return SentItem(
        airing.index, airing.open_date, "chat", user_id, name, text, stage.now_ms + shift_ms, profile, '{"osType":"PC"}'
    )


@KINDS.kind("say", items=1, chars=0, shift_ms=0, binary=False)
def say(stage: Stage, items: int, chars: int, shift_ms: int, binary: bool) -> None:
    """Say so many things in one frame, each of so many characters (0: a few), timed ``shift_ms`` from now.

    They are proper items: they go to the ledger and into the recent chat. ``binary``: in a binary frame.
    """
    made = [_proper(stage, number, "가" * chars or f"{number}번째 말", shift_ms) for number in range(items)]
    said = [item for item in made if item is not None]
    if said and stage.room is not None:
        text = item_frame(CHAT, said, stage.room.chat_channel_id, stage.viewers()).text
        stage.utter(Frame(text, said, binary=binary))


@KINDS.kind("odd_items", items=(), command=CHAT, live=True, recall=True)
def odd_items(stage: Stage, items: Sequence[Mapping[str, Any]], command: int, live: bool, recall: bool) -> None:
    """Send items that are not as they should be, in one proper frame, and keep them in the recent chat.

    Each is ``{"raw": anything}``, or ``{"fields": {..}, "omit": [..], "shift_ms": 0}``: a proper chat with some of its
    fields, which have the names of the live socket, changed or missing, timed so far from now. They are not in the
    ledger: see ``Simulator.odd``. ``live`` or ``recall`` false: only in one of the two.
    """
    if stage.room is None:
        return
    made = [_odd(stage, number, item, stage.room.chat_channel_id) for number, item in enumerate(items)]
    stage.odd += made
    if recall:
        for item in made:
            stage.room.remember(item)
    if live:
        stage.send([Frame(frame(command, [item.live for item in made], stage.room.chat_channel_id))])


def _odd(stage: Stage, number: int, change: Mapping[str, Any], chat_channel_id: str) -> OddItem:
    place = len(stage.odd) + number
    proper = _proper(stage, place, f"이상한 말 {place}", change.get("shift_ms", 0))
    if "raw" in change or proper is None:
        return OddItem(change.get("raw"), change.get("raw"))
    fields, omit = change.get("fields", {}), change.get("omit", ())
    live = {**json.loads(live_item(proper, chat_channel_id, stage.viewers())), **fields}
    renamed = {RECENT_NAMES.get(name, name): value for name, value in fields.items()}
    recent = {**recent_item(proper, chat_channel_id, stage.viewers()), **renamed}
    for name in omit:
        live.pop(name, None)
        recent.pop(RECENT_NAMES.get(name, name), None)
    return OddItem(live, recent)


@KINDS.kind("nested", depth=100_000, command=CHAT)
def nested(stage: Stage, depth: int, command: int) -> None:
    """Send a frame with one item: an array in an array in an array, so deep."""
    text = f'{{"cmd":{command},"bdy":[{"[" * depth}{"]" * depth}]}}'
    stage.send([Frame(text)])


@KINDS.kind("raw_frame", text=None, bytes_base64=None)
def raw_frame(stage: Stage, text: str | None, bytes_base64: str | None) -> None:
    """Send any text, or any bytes as a binary frame."""
    for visitor in visitors(stage):
        if text is not None:
            visitor.offer(Frame(text))
        if bytes_base64 is not None:
            visitor.offer(base64.b64decode(bytes_base64))


@KINDS.kind("fragment", messages=1, parts=3)
def fragment(stage: Stage, messages: int, parts: int) -> None:
    """Break each of the next messages into so many WebSocket frames, with a ping of the WebSocket's own in between."""
    stage.breaks.extend([parts] * messages)


@KINDS.kind("duplicate", last=1)
def duplicate(stage: Stage, last: int) -> None:
    """Send the last items again, unchanged."""
    stage.tell(list(stage.newest(last)))


@KINDS.kind("blind", back=1, blind_type="HIDDEN")
def blind(stage: Stage, back: int, blind_type: str) -> None:
    """Blind the item that was sent ``back`` items ago (1: the newest)."""
    items = stage.newest(back)
    if items:
        stage.tell([Blinding(items[0].time_ms, items[0], blind_type)])
        stage.last_blinded = items[0]


@KINDS.kind("restore")
def restore(stage: Stage) -> None:
    """Take back the last blind."""
    if stage.last_blinded is not None:
        stage.tell([Blinding(stage.last_blinded.time_ms, stage.last_blinded, CANCEL)])


@KINDS.kind("channel_event", type="LIVE_MID_ROLL_AD", body={})
def channel_event(stage: Stage, type: str, body: Mapping[str, Any]) -> None:
    """Send a 93006."""
    stage.tell([ChannelEvent(0, {"type": type, **body})])
