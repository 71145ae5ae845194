"""The API: Chzzk's HTTP endpoints, answered from the stages."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from email.utils import format_datetime
from typing import Any

from aiohttp import web

from simulator.clock import Clock, kst_text
from simulator.doorkeeper import Doorkeeper
from simulator.journal import Journal, RequestRecord
from simulator.replay import chat_page, video_detail, video_page
from simulator.stage import Stage

POLLING_VERSIONS = ("1", "2", "3", "3.1")
NO_OPEN_DATE_VERSIONS = ("1",)  # "openDate is missing in some versions"; which ones is not known
CALL_PERIOD_MS = 10_000
HTML_PAGE = (
    "<!DOCTYPE html><html><head><title>Service Unavailable</title></head><body>잠시 후 다시 시도해 주세요</body></html>"
)

Content = Mapping[str, Any] | None


class NoSuchChannel(Exception):
    """The request names a channel, chat channel or video that does not exist."""


class Api:
    """Answers the HTTP requests of a simulated Chzzk and writes each into the journal."""

    def __init__(self, stages: Mapping[str, Stage], doorkeeper: Doorkeeper, clock: Clock, journal: Journal) -> None:
        self._stages = stages
        self._doorkeeper = doorkeeper
        self._clock = clock
        self._journal = journal

    def routes(self) -> list[web.RouteDef]:
        """The endpoints, with Chzzk's own paths."""
        return [
            web.get("/polling/v{version}/channels/{channel_id}/live-status", self._live_status),
            web.get("/service/{version:v2|v3}/channels/{channel_id}/live-detail", self._live_detail),
            web.get("/service/v1/channels/{channel_id}", self._channel),
            web.get("/service/v1/channels/{channel_id}/videos", self._videos),
            web.get("/service/v3/videos/{video_no}", self._video),
            web.get("/service/v1/videos/{video_no}/chats", self._video_chats),
            web.get("/nng_main/v1/chats/access-token", self._token),
        ]

    async def _answer(
        self, endpoint: str, stage: Stage | None, content: Callable[[], Content], missing: tuple[int, int] = (404, 404)
    ) -> web.Response:
        """Answer with the content, or with what a fault put in its place; ``missing``: HTTP status and body's code."""
        fault = stage.take_answer(endpoint) if stage is not None else None
        if fault is not None and fault.hang_sec:
            await asyncio.sleep(fault.hang_sec)
        headers = {"Retry-After": fault.retry_after} if fault is not None and fault.retry_after else None
        if fault is not None and fault.html:
            response = web.Response(text=HTML_PAGE, content_type="text/html", status=fault.status or 200)
        elif fault is not None and fault.status is not None:
            body: dict[str, Any] = {"code": fault.status, "message": "일시적인 오류입니다.", "content": None}
            response = web.json_response(body, status=fault.status, headers=headers, dumps=_dumps)
        else:
            try:
                body = {"code": 200, "message": None, "content": content()}
                status = 200
            except NoSuchChannel:
                status, code = missing
                body = {"code": code, "message": "존재하지 않는 정보입니다.", "content": None}
            if fault is not None and fault.null:
                body["content"] = None
            if fault is not None and body["content"] is not None:
                patched = {**body["content"], **fault.fields}
                body["content"] = {name: value for name, value in patched.items() if name not in fault.omit}
            if fault is not None and fault.trickle_sec:
                slow = _trickle(_dumps(body).encode(), fault.trickle_sec)
                response = web.Response(body=slow, status=status, content_type="application/json")
            else:
                response = web.json_response(body, status=status, dumps=_dumps)
        # The server's clock is the simulated one: what was seen at a poll belongs to that second of the broadcast.
        response.headers["Date"] = format_datetime(self._clock.date(self._clock.now_sec()), usegmt=True)
        channel_id = stage.channel.channel_id if stage is not None else None
        record = RequestRecord(self._clock.real_sec(), self._clock.now_sec(), endpoint, channel_id, response.status)
        self._journal.requests.append(record)
        return response

    def _stage(self, request: web.Request) -> Stage | None:
        return self._stages.get(request.match_info["channel_id"])

    async def _live_status(self, request: web.Request) -> web.Response:
        stage, version = self._stage(request), request.match_info["version"]

        def content() -> Content:
            if version not in POLLING_VERSIONS:
                raise NoSuchChannel
            fields = _live_fields(_known(stage), request)
            if fields is not None and version in NO_OPEN_DATE_VERSIONS:
                return {name: value for name, value in fields.items() if name not in ("openDate", "closeDate")}
            return fields

        return await self._answer("live-status", stage, content)

    async def _live_detail(self, request: web.Request) -> web.Response:
        stage = self._stage(request)

        def content() -> Content:
            playing = _known(stage)
            fields = _live_fields(playing, request)
            if fields is None or playing.airing is None:
                return None
            return {
                "liveId": playing.airing.live_id,
                "liveImageUrl": None,
                "defaultThumbnailImageUrl": None,
                **fields,
                "channel": _channel_fields(playing),
            }

        return await self._answer("live-detail", stage, content)

    async def _channel(self, request: web.Request) -> web.Response:
        stage = self._stage(request)

        def content() -> Content:
            if stage is None:  # Chzzk answers 200 for a channel that does not exist
                return {"channelId": None, "channelName": "(알 수 없음)", "channelImageUrl": None, "openLive": False}
            about = {"channelDescription": "", "followerCount": 12_345, "openLive": stage.on_air}
            return {**_channel_fields(stage), **about}

        return await self._answer("channel", stage, content)

    async def _token(self, request: web.Request) -> web.Response:
        chat_channel_id = request.query.get("channelId", "")
        stage = self._doorkeeper.stage_of(chat_channel_id)

        def content() -> Content:
            _known(stage)
            return {
                "accessToken": self._doorkeeper.issue(chat_channel_id),
                "temporaryRestrict": {"temporaryRestrict": False, "times": 0, "duration": None, "createdTime": None},
                "realNameAuth": False,
                "extraToken": self._doorkeeper.issue(""),
            }

        # An unknown chat channel is answered with HTTP 500 and code 50001 (seen 2026-09-28).
        return await self._answer("token", stage, content, missing=(500, 50001))

    async def _videos(self, request: web.Request) -> web.Response:
        stage = self._stage(request)

        def content() -> Content:
            page, size = int(request.query.get("page", 0)), int(request.query.get("size", 30))
            return video_page(_known(stage), page, size, _channel_fields(_known(stage)))

        return await self._answer("videos", stage, content)

    async def _video(self, request: web.Request) -> web.Response:
        stage, airing = self._find_video(request)

        def content() -> Content:
            if stage is None or airing is None:
                raise NoSuchChannel
            return video_detail(airing, _channel_fields(stage))

        return await self._answer("video", stage, content)

    async def _video_chats(self, request: web.Request) -> web.Response:
        stage, airing = self._find_video(request)

        def content() -> Content:
            if stage is None or airing is None:
                raise NoSuchChannel
            start_ms = int(request.query.get("playerMessageTime", 0))
            return chat_page(stage, airing, start_ms, int(request.query.get("previousVideoChatSize", 0)))

        return await self._answer("video-chats", stage, content)

    def _find_video(self, request: web.Request) -> tuple[Stage | None, Any]:
        for stage in self._stages.values():
            for airing in stage.finished_airings():
                if str(airing.video_no) == request.match_info["video_no"]:
                    return stage, airing
        return None, None


async def _trickle(body: bytes, real_sec: float) -> AsyncIterator[bytes]:
    """The bytes one by one, evenly over so many real seconds."""
    for byte in body:
        yield bytes([byte])
        await asyncio.sleep(real_sec / len(body))


def _dumps(body: Any) -> str:
    return json.dumps(body, ensure_ascii=False)


def _known(stage: Stage | None) -> Stage:
    if stage is None:
        raise NoSuchChannel
    return stage


def _channel_fields(stage: Stage) -> dict[str, Any]:
    channel = stage.channel
    names = {"channelId": channel.channel_id, "channelName": channel.name, "channelImageUrl": None}
    return {**names, "verifiedMark": False}


def _live_fields(stage: Stage, request: web.Request) -> dict[str, Any] | None:
    """What live-status and live-detail have in common; None for a channel that was never on the air."""
    airing = stage.airing
    if airing is None or stage.room is None:
        return None
    script = airing.broadcast
    # Both cookies of an account are needed; whether it is verified is not the simulator's business.
    grown_up = "NID_AUT" in request.cookies and "NID_SES" in request.cookies
    # isPublishing stays true whatever happens: only the top-level status counts.
    polling = {
        "status": "STARTED" if stage.on_air else "STOPPED",
        "isPublishing": True,
        "playableStatus": "PLAYABLE",
        "trafficThrottling": -1,
        "callPeriodMilliSecond": CALL_PERIOD_MS,
    }
    return {
        "liveTitle": airing.title,
        "status": "OPEN" if stage.on_air else "CLOSE",
        "concurrentUserCount": stage.viewers(),
        "accumulateCount": stage.viewers() * 7,
        "paidPromotion": False,
        "adult": script.adult,
        "krOnlyViewing": False,
        "openDate": kst_text(airing.open_date),
        "closeDate": None if stage.on_air else kst_text(airing.close_date),
        "clipActive": False,
        "chatChannelId": None if script.adult and not grown_up else stage.room.chat_channel_id,
        "tags": list(script.tags),
        "categoryType": "GAME",
        "liveCategory": airing.category.replace(" ", "_"),
        "liveCategoryValue": airing.category,
        "livePollingStatusJson": _dumps(polling),
        "faultStatus": None,
        "userAdultStatus": "ADULT" if grown_up else "NOT_LOGIN_USER",
        "abroadCountry": False,
        "blindType": None,
        "chatActive": True,
        "chatAvailableGroup": "ALL",
        "chatAvailableCondition": "NONE",
        "minFollowerMinute": 0,
    }
