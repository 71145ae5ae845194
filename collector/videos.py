"""Finds the videos (다시보기) of broadcasts that have ended, and where in them each moment is.

Chzzk publishes a video minutes or hours after the end, if the streamer wants one. Finding it is not worth one message
of chat: this asks slowly, one question at a time, and whatever goes wrong is asked again later.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime
from typing import TypeVar

import structlog

from collector.chzzk.api import ChzzkApi, ChzzkUnavailable
from collector.chzzk.videos import ChatPage, Video, chat_page, moment, published_since, video
from collector.committer import AWAY, Pool
from collector.video_parts import Part, parts_of
from store.errors import cause_of
from store.queries import query

log = structlog.get_logger(__name__)

_EVERY_SEC = 600.0
_APART_SEC = 1.0

# A video whose chat is not there yet, or does not end.
_AGAIN_SEC = 3600.0

_ANSWER_SEC = 10.0

# Of the chat of one video: a handful is usual, and fifteen for each cut.
_MOST_PAGES = 300

# What begins further from the opening than this is no video of the broadcast, or a lie.
_NEAR_MS = 24 * 3600 * 1000

_Answer = TypeVar("_Answer")


class VideoFinder:
    """Looks for the videos of broadcasts that ended in the last three days."""

    def __init__(
        self,
        api: ChzzkApi,
        pool: Pool,
        channels: Callable[[], Collection[str]],
        on_found: Callable[[str], Awaitable[None]],
    ) -> None:
        """`channels`: those whose videos are this collector's to find, asked each time.

        `on_found`: called with the stream_id of each broadcast that has a video now.
        """
        self._api = api
        self._pool = pool
        self._channels = channels
        self._on_found = on_found
        self._openings: dict[int, datetime | None] = {}  # of the videos that were asked about
        self._not_before: dict[int, float] = {}  # of those that could not be used: time.monotonic()

    async def run(self) -> None:
        """Looks again and again until it is cancelled; raises nothing else."""
        while True:
            await asyncio.sleep(_EVERY_SEC)
            try:
                await self.look()
            except AWAY as error:
                log.info("videos not looked for", error=cause_of(error))
            except Exception as error:  # a mistake of ours in here must not end the collector
                log.error("videos not looked for", error=cause_of(error))

    async def look(self) -> int:
        """Asks once for all that is missing. Returns how many videos were found; one of AWAY: no database."""
        pool = await self._pool()
        missing = await pool.fetch(query("broadcasts_without_video"), list(self._channels()), timeout=_ANSWER_SEC)
        openings: dict[str, set[datetime]] = {}
        for row in missing:
            openings.setdefault(row["channel_id"], set()).add(row["opened_at"])
        seen: set[int] = set()
        found = 0
        for channel_id, wanted in openings.items():
            try:
                numbers = await self._slowly(published_since(self._api, channel_id, min(wanted)))
            except ChzzkUnavailable as error:
                log.info("videos not told", channel_id=channel_id, error=str(error))
                continue
            seen.update(numbers)
            for number in numbers:
                try:
                    found += await self._look_at(channel_id, number, wanted)
                except ChzzkUnavailable as error:
                    log.info("video not told", channel_id=channel_id, video_no=number, error=str(error))
        self._openings = {number: opened_at for number, opened_at in self._openings.items() if number in seen}
        self._not_before = {number: until for number, until in self._not_before.items() if number in seen}
        return found

    async def _look_at(self, channel_id: str, number: int, wanted: Collection[datetime]) -> bool:
        """Whether it was a broadcast's video, and now is known as that."""
        if self._not_before.get(number, 0.0) > time.monotonic():
            return False
        if number in self._openings and self._openings[number] not in wanted:
            return False
        self._not_before[number] = time.monotonic() + _AGAIN_SEC
        one = await self._slowly(video(self._api, number))
        self._openings[number] = one.opened_at
        if one.opened_at is None or one.opened_at not in wanted:
            del self._not_before[number]  # of a broadcast whose end has not been noticed yet, perhaps
            return False
        parts = await parts_of(self._pages(number), one.duration_ms)
        opened_ms = one.opened_at.timestamp() * 1000
        if not parts or any(abs(part.shift_ms - opened_ms) > _NEAR_MS for part in parts):
            log.info("video has no chat that tells its time", channel_id=channel_id, video_no=number)
            return False
        await self._keep(channel_id, one.opened_at, one, parts)
        return True

    def _pages(self, number: int) -> Callable[[int], Awaitable[ChatPage]]:
        asked = 0

        async def page(from_ms: int) -> ChatPage:
            nonlocal asked
            asked += 1
            if asked > _MOST_PAGES:
                raise ChzzkUnavailable("the chat of the video does not end")
            return await self._slowly(chat_page(self._api, number, from_ms))

        return page

    async def _keep(self, channel_id: str, opened_at: datetime, one: Video, parts: list[Part]) -> None:
        ends = [part.from_ms for part in parts[1:]] + [max(one.duration_ms, parts[-1].from_ms + 1)]
        pool = await self._pool()
        told = await pool.fetch(
            query("insert_video_parts"),
            channel_id,
            opened_at,
            one.video_no,
            [part.from_ms for part in parts],
            [moment(part.from_ms + part.shift_ms) for part in parts],
            [moment(end_ms + part.shift_ms) for part, end_ms in zip(parts, ends, strict=True)],
            timeout=_ANSWER_SEC,
        )
        log.info("video found", channel_id=channel_id, video_no=one.video_no, cuts=len(parts) - 1)
        for row in told:
            await self._on_found(row["stream_id"])

    async def _slowly(self, question: Awaitable[_Answer]) -> _Answer:
        answer = await question
        await asyncio.sleep(_APART_SEC)
        return answer
