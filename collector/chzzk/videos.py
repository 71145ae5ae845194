"""Chzzk's videos (다시보기): which there are of a channel, and what was said where in one."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeGuard

from collector.chzzk.api import ChzzkApi, parse_korean_time

# The newest that a channel has published: more than anybody does in the days in which a video is looked for.
_LISTED = 30


@dataclass(frozen=True)
class Video:
    """The video of a broadcast, or of a part of one."""

    video_no: int
    opened_at: datetime | None
    """The openDate of the broadcast; None for what somebody uploaded."""
    duration_ms: int
    """At least as long as it is: Chzzk tells the whole seconds. 0 where it tells nothing."""


@dataclass(frozen=True)
class Said:
    """A message, in ms since 1970 and in ms into the video."""

    at_ms: int
    video_ms: int


@dataclass(frozen=True)
class ChatPage:
    """The chat of about 45 s of a video."""

    before: list[Said]
    """Up to 50 messages before it, of whatever time."""
    said: list[Said]
    next_ms: int | None
    """Where the next page begins; None at the end."""


async def published_since(api: ChzzkApi, channel_id: str, since: datetime) -> list[int]:
    """The numbers of the channel's videos of that time or later, the newest first. ChzzkUnavailable: no answer."""
    content = await api.content(
        f"/service/v1/channels/{channel_id}/videos",
        {"sortType": "LATEST", "pagingType": "PAGE", "page": "0", "size": str(_LISTED)},
    )
    listed = content.get("data")
    return [
        video["videoNo"]
        for video in (listed if isinstance(listed, list) else [])[:_LISTED]
        if isinstance(video, dict)
        and _is_whole(video.get("videoNo"))
        # A date that is missing or is no date hides no video.
        and (parse_korean_time(video.get("publishDate")) or since) >= since
    ]


async def video(api: ChzzkApi, video_no: int) -> Video:
    """One video. ChzzkUnavailable: no answer."""
    content = await api.content(f"/service/v3/videos/{video_no}")
    duration = content.get("duration")
    return Video(
        video_no,
        parse_korean_time(content.get("liveOpenDate")),
        1000 * (duration + 1) if _is_whole(duration) and duration < timedelta(days=7).total_seconds() else 0,
    )


async def chat_page(api: ChzzkApi, video_no: int, from_ms: int) -> ChatPage:
    """What was said from `from_ms` into the video on. ChzzkUnavailable: no answer."""
    content = await api.content(
        f"/service/v1/videos/{video_no}/chats",
        {"playerMessageTime": str(from_ms), "previousVideoChatSize": "50"},
    )
    next_ms = content.get("nextPlayerMessageTime")
    return ChatPage(
        sorted(_said(content.get("previousVideoChats")), key=lambda said: said.video_ms),
        sorted(_said(content.get("videoChats")), key=lambda said: said.video_ms),
        # One that does not grow is the end as well.
        next_ms if _is_whole(next_ms) and next_ms > from_ms else None,
    )


def moment(at_ms: int) -> datetime:
    """ms since 1970 as UTC."""
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=at_ms)


def _said(chats: object) -> Iterator[Said]:
    for chat in chats if isinstance(chats, list) else []:
        if isinstance(chat, dict):
            at_ms, video_ms = chat.get("messageTime"), chat.get("playerMessageTime")
            if _is_whole(at_ms) and _is_whole(video_ms):
                yield Said(at_ms, video_ms)


def _is_whole(value: object) -> TypeGuard[int]:
    """Whether it is a number without a sign that fits a column, of days or of milliseconds since 1970."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**43
