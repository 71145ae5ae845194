"""Chzzk over HTTP: whether a channel is live, since when, and the token for its chat.

Built on chzzkpy's session (base address, cookies, user agent). Its models are not used: they refuse answers that Chzzk
gives every day (closeDate null while on air, a status that is neither OPEN nor CLOSE, any field null).
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

import aiohttp
import orjson
from chzzkpy.unofficial.http import ChzzkSession, _user_agent

from store.errors import cause_of
from store.event import KST
from store.text import clean_text

Status = Literal["OPEN", "CLOSE", "UNKNOWN"]

_TIMEOUT = aiohttp.ClientTimeout(total=10, connect=5)

# An answer is a few kilobytes; a server that sends more is not Chzzk, and must not fill our memory.
_MAX_ANSWER = 4 * 1024 * 1024

# A server that asks to be left alone for longer is asked again after this.
_MAX_PAUSE_SEC = 600.0


class ChzzkUnavailable(Exception):
    """A request got no usable answer. It says nothing about the broadcast."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        """Seconds that the server asked to be left alone, or None."""


@dataclass(frozen=True)
class Endpoints:
    """Where Chzzk is: base addresses, and the chat's as a template with `{server}`."""

    api_url: str = "https://api.chzzk.naver.com"
    game_api_url: str = "https://comm-api.game.naver.com"
    chat_url: str = "wss://kr-ss{server}.chat.naver.com/chat"


@dataclass(frozen=True)
class LiveStatus:
    """One answer to "is it live?". Any field but `status` can be missing at any time."""

    status: Status
    """UNKNOWN is any other value (BLOCK has been seen): neither on air nor off."""
    answered_at: datetime
    """The server's clock (its Date header), or ours where it sent none. UTC."""
    title: str | None
    category: str | None
    viewers: int | None
    opened_at: datetime | None
    chat_channel_id: str | None
    adult: bool


@dataclass(frozen=True)
class LiveDetail:
    """What only the detail answer knows."""

    opened_at: datetime | None
    closed_at: datetime | None
    channel_name: str | None


class ChzzkApi:
    """Chzzk's HTTP side. Use as an async context manager."""

    def __init__(self, endpoints: Endpoints, cookies: Mapping[str, str] | None = None) -> None:
        self.endpoints = endpoints
        self._cookies = dict(cookies or {})
        self._quiet_until: dict[ChzzkSession, float] = {}  # of a server that asked to be left alone, time.monotonic()

    async def __aenter__(self) -> "ChzzkApi":
        self._api = self._session(self.endpoints.api_url)
        self._game = self._session(self.endpoints.game_api_url)
        # The chat has a session of its own: closing one must never end the other.
        self.chat_session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),  # one a broadcast, for hours: the usual 100 would be the end of it
            headers=browser_headers(),
            timeout=aiohttp.ClientTimeout(total=None),
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        await asyncio.gather(self._api.close(), self._game.close(), self.chat_session.close())

    async def live_status(self, channel_id: str) -> LiveStatus:
        """The channel's state now. ChzzkUnavailable where there is no usable answer."""
        content, answered_at = await self._get(self._api, f"/polling/v2/channels/{channel_id}/live-status")
        status = content.get("status")
        return LiveStatus(
            # Only this field counts: livePollingStatusJson.isPublishing is always true.
            status=status if status in ("OPEN", "CLOSE") else "UNKNOWN",
            answered_at=answered_at,
            title=_text(content.get("liveTitle")),
            category=_text(content.get("liveCategoryValue")) or _text(content.get("liveCategory")),
            viewers=_count(content.get("concurrentUserCount")),
            opened_at=parse_korean_time(content.get("openDate")),
            chat_channel_id=_text(content.get("chatChannelId")),
            adult=content.get("adult") is True,
        )

    async def live_detail(self, channel_id: str) -> LiveDetail:
        """Open date, close date (null while on air) and the channel's name. ChzzkUnavailable as above."""
        content, _ = await self._get(self._api, f"/service/v3/channels/{channel_id}/live-detail")
        channel = content.get("channel")
        return LiveDetail(
            opened_at=parse_korean_time(content.get("openDate")),
            closed_at=parse_korean_time(content.get("closeDate")),
            channel_name=_text(channel.get("channelName")) if isinstance(channel, dict) else None,
        )

    async def channel_name(self, channel_id: str) -> str | None:
        """The streamer's name, or None where Chzzk does not tell it. ChzzkUnavailable as above."""
        content, _ = await self._get(self._api, f"/service/v1/channels/{channel_id}")
        return _text(content.get("channelName"))

    async def content(self, path: str, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The content of any other answer, as it came: whoever asks believes none of it. ChzzkUnavailable as above."""
        content, _ = await self._get(self._api, path, params)
        return content

    async def access_token(self, chat_channel_id: str) -> str:
        """A token for one chat connection: its life is unknown, so each connection asks anew."""
        content, _ = await self._get(
            self._game,
            "/nng_main/v1/chats/access-token",
            {"channelId": chat_channel_id, "chatType": "STREAMING"},
        )
        token = content.get("accessToken")
        if not isinstance(token, str) or not token:
            raise ChzzkUnavailable("the answer has no accessToken")
        return token

    def _session(self, base_url: str) -> ChzzkSession:
        session = ChzzkSession(base_url)
        if self._cookies:
            session.login(self._cookies["NID_AUT"], self._cookies["NID_SES"])
        return session

    async def _get(
        self, session: ChzzkSession, path: str, params: Mapping[str, str] | None = None
    ) -> tuple[dict[str, Any], datetime]:
        quiet_sec = self._quiet_until.get(session, 0.0) - time.monotonic()
        if quiet_sec > 0:
            # It was one channel's request that it refused, and it counts the requests of all.
            raise ChzzkUnavailable("asked to wait", quiet_sec)
        headers = browser_headers()
        if session.has_login:
            headers["Cookie"] = session._token
        try:
            response = await session.get(path, params=params, headers=headers, timeout=_TIMEOUT, allow_redirects=False)
            async with response:
                answered_at = _answer_time(response.headers.get("Date"))
                if response.status != 200:
                    pause = _pause(response.headers.get("Retry-After"), answered_at)
                    if response.status == 429 and pause is not None:
                        self._quiet_until[session] = time.monotonic() + pause
                    raise ChzzkUnavailable(f"HTTP {response.status}", pause)
                body = await response.content.read(_MAX_ANSWER)
                while not response.content.at_eof():
                    if len(body) >= _MAX_ANSWER:
                        raise ChzzkUnavailable("the answer does not end")
                    body += await response.content.read(_MAX_ANSWER)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise ChzzkUnavailable(cause_of(error)) from error
        try:
            answer = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise ChzzkUnavailable("the answer is not JSON") from error
        content = answer.get("content", answer) if isinstance(answer, dict) else answer
        if content is None:
            return {}, answered_at  # of a channel that has never been on air
        if not isinstance(content, dict):
            raise ChzzkUnavailable("the answer has no content")
        return content, answered_at


def browser_headers() -> dict[str, str]:
    """What real clients send; without it connections are refused more often."""
    return {"User-Agent": _user_agent, "Origin": "https://chzzk.naver.com", "Referer": "https://chzzk.naver.com/"}


def parse_korean_time(value: object) -> datetime | None:
    """`YYYY-MM-DD HH:MM:SS` in KST, which is how Chzzk writes dates, as UTC; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        naive = datetime.strptime(value, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 - the zone is known, and not in the text
        return naive.replace(tzinfo=KST).astimezone(UTC)
    except (ValueError, OverflowError):  # the latter for the first hours of the year 1
        return None


def _answer_time(date: str | None) -> datetime:
    return _header_time(date) or datetime.now(UTC)


def _header_time(date: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(date or "").astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _pause(value: str | None, answered_at: datetime) -> float | None:
    """Retry-After: seconds, or a date, as seconds; never so long that a channel is as good as forgotten."""
    if value is not None and value.isascii() and value.isdigit():
        seconds = float(value)
    elif (until := _header_time(value)) is not None:
        seconds = (until - answered_at).total_seconds()
    else:
        return None
    return min(max(seconds, 0.0), _MAX_PAUSE_SEC)


def _text(value: object) -> str | None:
    return clean_text(value) if isinstance(value, str) and value else None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31 else None
