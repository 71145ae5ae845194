"""The replay: the videos of finished broadcasts, and their chat by the page."""

from __future__ import annotations

import hashlib
from typing import Any

from simulator.airing import Airing
from simulator.clock import kst_text
from simulator.dialect import replay_item
from simulator.ledger import SentItem
from simulator.script import Broadcast
from simulator.stage import Stage

PAGE_MS = 45_000  # about 45 s of chat a page


def player_ms(broadcast: Broadcast, offset_ms: int) -> int | None:
    """The place in the video of something ``offset_ms`` after openDate; None when the video does not have it.

    The video starts a little after openDate, and each cut takes seconds out of it: from there on the same place in
    the video is another distance from openDate.
    """
    lost_ms = broadcast.video_delay_ms
    for at_sec, lost_sec in broadcast.video_cuts:
        if offset_ms < at_sec * 1000:
            break
        if offset_ms < (at_sec + lost_sec) * 1000:
            return None
        lost_ms += round(lost_sec * 1000)
    place = offset_ms - lost_ms
    return place if place >= 0 else None


def video_length_ms(broadcast: Broadcast) -> int:
    """The video's length in milliseconds."""
    lost_sec = sum(lost for _, lost in broadcast.video_cuts)
    return round((broadcast.duration_sec - lost_sec) * 1000) - broadcast.video_delay_ms


def chat_page(stage: Stage, airing: Airing, start_ms: int, previous: int) -> dict[str, Any]:
    """One page of chat from ``start_ms`` into the video, with up to ``previous`` messages before it.

    A page may be empty and have a next one. The last page says so with null, in every other video with a
    nextPlayerMessageTime that does not grow: both are seen.
    """
    broadcast = airing.broadcast
    placed: list[tuple[int, SentItem]] = []
    for item in stage.sent:
        if item.broadcast == airing.index:
            place = player_ms(broadcast, item.offset_ms)
            if place is not None:
                placed.append((place, item))
    page = [(place, item) for place, item in placed if start_ms <= place < start_ms + PAGE_MS]
    before = [(place, item) for place, item in placed if place < start_ms]
    next_ms: int | None = start_ms + PAGE_MS
    if start_ms + PAGE_MS >= video_length_ms(broadcast):
        next_ms = None if airing.index % 2 == 0 else start_ms
    return {
        "nextPlayerMessageTime": next_ms,
        "previousVideoChats": [_item(airing, place, item) for place, item in before[len(before) - previous :]],
        "videoChats": [_item(airing, place, item) for place, item in page],
    }


def _item(airing: Airing, place: int, item: SentItem) -> dict[str, Any]:
    user_id = item.user_id
    if airing.broadcast.replay_own_ids and len(user_id) == 32:
        user_id = hashlib.blake2b(user_id.encode(), digest_size=16).hexdigest()
    return replay_item(item, airing.chat_channel_id, user_id, place)


def _video_fields(airing: Airing, channel: dict[str, Any]) -> dict[str, Any]:
    return {
        "videoNo": airing.video_no,
        "videoId": f"{airing.video_no:036X}",
        "videoTitle": airing.title,
        "videoType": "REPLAY",
        "publishDate": kst_text(airing.close_date),
        "publishDateAt": round(airing.close_date.timestamp() * 1000),
        "thumbnailImageUrl": None,
        "duration": video_length_ms(airing.broadcast) // 1000,
        "readCount": 0,
        "adult": airing.broadcast.adult,
        "categoryType": "GAME",
        "videoCategory": airing.category.replace(" ", "_"),
        "videoCategoryValue": airing.category,
        "tags": list(airing.broadcast.tags),
        "channel": channel,
        "blindType": None,
    }


def video_detail(airing: Airing, channel: dict[str, Any]) -> dict[str, Any]:
    """The content of service/v3/videos/{no}."""
    chat = {"videoChatEnabled": True, "videoChatChannelId": airing.chat_channel_id}
    chain = {"prevVideo": None, "nextVideo": None, "vodStatus": "ABR_HLS"}
    return {**_video_fields(airing, channel), "liveOpenDate": kst_text(airing.open_date), **chat, **chain}


def video_page(stage: Stage, page: int, size: int, channel: dict[str, Any]) -> dict[str, Any]:
    """The content of a channel's list of videos, the latest first; ``page`` counts from 0."""
    finished = stage.finished_airings()[::-1]
    shown = finished[page * size : (page + 1) * size]
    return {
        "page": page,
        "size": size,
        "totalCount": len(finished),
        "totalPages": -(-len(finished) // size) if size > 0 else 0,
        "data": [_video_fields(airing, channel) for airing in shown],
    }
