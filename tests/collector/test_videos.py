"""The finder: a simulated Chzzk publishes videos, and the database learns where each moment is in them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from collector.chzzk.api import ChzzkApi
from collector.chzzk.videos import ChatPage, Said, chat_page, published_since, video
from collector.videos import VideoFinder
from simulator import Broadcast, Channel, Fault, SentItem, Simulator
from store.database import Database, DatabaseUnavailable
from store.pool import PatientPool
from tests.analytics.sample import add_broadcast
from tests.collector.studio import endpoints, fetch, until
from tests.collector.test_api import saying

QUIET: dict[str, Any] = {"donations_per_min": 0.0, "channel_events_per_min": 0.0}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.videos._EVERY_SEC", 0.05)
    monkeypatch.setattr("collector.videos._APART_SEC", 0.0)


class Finding:
    """A finder, and whom it told."""

    def __init__(self, api: ChzzkApi, pool: PatientPool, channels: Sequence[str]) -> None:
        self.told: list[str] = []
        self.finder = VideoFinder(api, pool, lambda: channels, self._found)

    async def _found(self, stream_id: str) -> None:
        self.told.append(stream_id)


@asynccontextmanager
async def finding(chzzk: Simulator, database: Database, channels: Sequence[Channel]) -> AsyncIterator[Finding]:
    async with ChzzkApi(endpoints(chzzk)) as api, PatientPool(lambda: database) as pool:
        yield Finding(api, pool, [channel.channel_id for channel in channels])


@asynccontextmanager
async def aired(database: Database, *channels: Channel) -> AsyncIterator[Simulator]:
    """A Chzzk whose broadcasts are over, and a database that has what was sent."""
    async with Simulator(list(channels), speed=200) as chzzk:
        await chzzk.wait_finished()
        with database.connect() as connection:
            for channel in channels:
                store(connection, channel, chzzk.sent(channel.channel_id))
        yield chzzk


def store(connection: psycopg.Connection[Any], channel: Channel, items: Sequence[SentItem]) -> None:
    """As the collector would, as far as videos go."""
    for number, broadcast in enumerate(channel.broadcasts):
        of_broadcast = [item for item in items if item.broadcast == number]
        opened_at = of_broadcast[0].open_date
        broadcast_id = add_broadcast(
            connection,
            channel_id=channel.channel_id,
            opened_at=opened_at,
            closed_at=opened_at + timedelta(seconds=broadcast.duration_sec),
        )
        for key, item in enumerate(of_broadcast):
            connection.execute(
                "INSERT INTO event (ts, broadcast_id, kind, event_key, content, source) "
                "VALUES (to_timestamp(%s / 1000.0), %s, 'chat', %s, %s, 'live')",
                (item.time_ms, broadcast_id, key, item.text),
            )


def rows(database: Database, channel: Channel) -> list[tuple[int, float, float, float]]:
    """Of each part the video, the seconds into it, and the seconds of the broadcast from and to."""
    return fetch(
        database,
        """SELECT p.video_no, p.from_ms / 1000.0::float8, extract(EPOCH FROM p.from_ts - b.opened_at)::float8,
            extract(EPOCH FROM p.to_ts - b.opened_at)::float8
        FROM video_part AS p JOIN broadcast AS b USING (broadcast_id)
        WHERE b.channel_id = %s ORDER BY b.opened_at, p.video_no, p.from_ms""",
        channel.channel_id,
    )


async def test_every_message_is_found_in_its_video(plain_database: Database) -> None:
    """What is left of the chat is where the video's own chat has it; what was cut out is where the video goes on."""
    cut = Channel("잘린", [Broadcast(160, 5.0, video_cuts=((40, 20), (100, 15)), video_delay_ms=2_340, **QUIET)])
    whole = Channel("온전한", [Broadcast(60, 5.0, **QUIET)])
    async with aired(plain_database, cut, whole) as chzzk, finding(chzzk, plain_database, [cut, whole]) as work:
        before = fetch(plain_database, "SELECT stream_id, updated_at FROM broadcast ORDER BY 1")
        assert await work.finder.look() == 2
        after = fetch(plain_database, "SELECT stream_id, updated_at FROM broadcast ORDER BY 1")
        assert sorted(work.told) == [stream_id for stream_id, _ in after]
        assert all(new > old for (_, new), (_, old) in zip(after, before, strict=True))
        assert await work.finder.look() == 0
        (number,) = {row[0] for row in rows(plain_database, cut)}
        async with ChzzkApi(endpoints(chzzk)) as api:
            pages = [await chat_page(api, number, at_ms) for at_ms in range(0, 160_000, 45_000)]
    places = {said.at_ms: said.video_ms // 1000 for page in pages for said in page.said}
    stored = fetch(
        plain_database,
        """SELECT (extract(EPOCH FROM ts) * 1000)::bigint, extract(EPOCH FROM ts - opened_at), video_no, video_sec,
            video_url(broadcast_id, ts)
        FROM event JOIN broadcast USING (broadcast_id) LEFT JOIN LATERAL video_moment(broadcast_id, ts) ON true
        WHERE channel_id = %s""",
        cut.channel_id,
    )
    assert places.keys() <= {row[0] for row in stored}
    lost = [video_sec for _, sec, _, video_sec, _ in stored if 40 <= sec < 60]
    assert len(lost) > 50
    assert lost == pytest.approx([37] * len(lost), abs=1)
    for at_ms, _, video_no, video_sec, url in stored:
        if at_ms in places:
            assert (video_no, video_sec) == (number, places[at_ms])
            assert url == f"https://chzzk.naver.com/video/{number}?currentTime={video_sec}"
    parts = [row[1:] for row in rows(plain_database, cut)]
    assert parts == [
        pytest.approx((0, 2.34, 40), abs=2),
        pytest.approx((37.66, 60, 100), abs=2),
        pytest.approx((77.66, 115, 160), abs=2),
    ]
    assert [row[1:] for row in rows(plain_database, whole)] == [pytest.approx((0, 2.34, 60), abs=2)]


async def test_what_is_no_video_of_ours_is_asked_about_once(plain_database: Database) -> None:
    channel = Channel("둘", [Broadcast(20, 5.0, **QUIET), Broadcast(20, 5.0, **QUIET)])
    async with aired(plain_database, channel) as chzzk, finding(chzzk, plain_database, [channel]) as work:
        with plain_database.connect() as connection:
            connection.execute("UPDATE broadcast SET opened_at = opened_at + INTERVAL '7 seconds'")
        for _ in range(3):
            assert await work.finder.look() == 0
        asked = [request.endpoint for request in chzzk.requests]
        assert (asked.count("videos"), asked.count("video"), asked.count("video-chats")) == (3, 2, 0)
        assert rows(plain_database, channel) == []
        # Nor is anybody asked whose channel is not ours, or what ended long ago.
        with plain_database.connect() as connection:
            connection.execute("UPDATE broadcast SET closed_at = closed_at - INTERVAL '4 days'")
        assert await work.finder.look() == 0
        assert [request.endpoint for request in chzzk.requests].count("videos") == 3


async def test_a_video_that_is_there_before_the_end_was_noticed(plain_database: Database) -> None:
    channel = Channel("둘", [Broadcast(20, 5.0, **QUIET), Broadcast(20, 5.0, **QUIET)])
    async with aired(plain_database, channel) as chzzk, finding(chzzk, plain_database, [channel]) as work:
        latest = "opened_at = (SELECT max(opened_at) FROM broadcast)"
        with plain_database.connect() as connection:
            connection.execute(f"UPDATE broadcast SET closed_at = NULL WHERE {latest}")  # noqa: S608
        assert await work.finder.look() == 1
        with plain_database.connect() as connection:
            connection.execute(f"UPDATE broadcast SET closed_at = now() WHERE {latest}")  # noqa: S608
        assert await work.finder.look() == 1
        assert len({row[0] for row in rows(plain_database, channel)}) == 2


async def test_one_video_that_nobody_tells_of_keeps_no_other_from_being_found(plain_database: Database) -> None:
    fault = Fault(1, "http_status", code=403, endpoint="video")
    channel = Channel("둘", [Broadcast(20, 5.0, **QUIET), Broadcast(20, 5.0, **QUIET)], [fault])
    async with aired(plain_database, channel) as chzzk, finding(chzzk, plain_database, [channel]) as work:
        assert await work.finder.look() == 1
        asked = [request.status for request in chzzk.requests if request.endpoint == "video"]
        assert asked == [403, 200]
        assert await work.finder.look() == 0  # not for an hour


async def test_it_goes_on_whatever_goes_wrong(plain_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.videos._AGAIN_SEC", 0.0)
    faults = [
        Fault(1, "http_status", code=500, endpoint="videos", polls=2),
        Fault(1, "patch", fields={"data": None}, endpoint="videos"),
        Fault(1, "html", endpoint="videos"),
        Fault(1, "http_status", code=404, endpoint="video-chats"),
    ]
    channel = Channel("말썽", [Broadcast(20, 5.0, **QUIET)], faults)
    async with aired(plain_database, channel) as chzzk, finding(chzzk, plain_database, [channel]) as work:
        running = asyncio.create_task(work.finder.run())
        await until(lambda: rows(plain_database, channel), "the video")
        statuses = [request.status for request in chzzk.requests if request.endpoint.startswith("video")]
        assert statuses.count(500) == 2
        assert statuses.count(404) == 1
        assert not running.done()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running


async def test_a_database_that_is_away_is_waited_for(plain_database: Database) -> None:
    channel = Channel("없음", [Broadcast(20, 5.0, **QUIET)])
    away = 3

    def reach() -> Database:
        nonlocal away
        if away:
            away -= 1
            raise DatabaseUnavailable
        return plain_database

    async with (
        aired(plain_database, channel) as chzzk,
        ChzzkApi(endpoints(chzzk)) as api,
        PatientPool(reach) as pool,
    ):
        running = asyncio.create_task(Finding(api, pool, [channel.channel_id]).finder.run())
        await until(lambda: rows(plain_database, channel), "the video")
        assert away == 0
        running.cancel()
        await asyncio.wait({running})


@pytest.mark.parametrize(
    "answer",
    [
        "{}",
        '{"content": null}',
        '{"content": {"data": 5, "duration": "x", "liveOpenDate": 7, "videoChats": {}, "nextPlayerMessageTime": "9"}}',
        '{"content": {"data": [null, {}, {"videoNo": -1}, {"videoNo": true}, {"videoNo": 1e300}], "duration": 1e18}}',
        '{"content": {"duration": 99999999999, "videoChats": [1, {"messageTime": 5}, {"messageTime": null, '
        '"playerMessageTime": 1}, {"messageTime": -5, "playerMessageTime": 99999999999999999999}], '
        '"nextPlayerMessageTime": 7}}',
    ],
)
async def test_answers_of_any_shape_mean_nothing(answer: str) -> None:
    since = datetime(2026, 1, 6, tzinfo=UTC)
    async with saying(answer) as api:
        assert await published_since(api, "0" * 32, since) == []
        one = await video(api, 1)
        assert (one.opened_at, one.duration_ms) == (None, 0)
        page = await chat_page(api, 1, 7)
        assert (page.before, page.said, page.next_ms) == ([], [], None)


async def test_only_videos_since_then_are_looked_at() -> None:
    listed = (
        '{"content": {"data": [{"videoNo": 3, "publishDate": "2026-01-06 09:00:01"},'
        ' {"videoNo": 2, "publishDate": "?"}, {"videoNo": 1, "publishDate": "2026-01-06 08:59:59"}]}}'
    )
    async with saying(listed) as api:
        assert await published_since(api, "0" * 32, datetime(2026, 1, 6, tzinfo=UTC)) == [3, 2]


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        ({"videoChats": [{"messageTime": 365 * 86_400_000, "playerMessageTime": 1}]}, 2),  # of another year
        ({"videoChats": [], "previousVideoChats": []}, 1),
        ({"videoChats": [], "nextPlayerMessageTime": 1}, 3),
        ({"videoChats": [], "nextPlayerMessageTime": 2**40}, 3),
    ],
)
async def test_a_chat_that_tells_nothing_is_left_alone_for_an_hour(
    plain_database: Database, fields: dict[str, Any], asked: int
) -> None:
    lies = Fault(1, "patch", fields=fields, endpoint="video-chats", polls=1000)
    channel = Channel("거짓", [Broadcast(20, 5.0, **QUIET)], [lies])
    async with aired(plain_database, channel) as chzzk, finding(chzzk, plain_database, [channel]) as work:
        for _ in range(2):
            assert await work.finder.look() == 0
        assert [request.endpoint for request in chzzk.requests].count("video-chats") <= asked
    assert rows(plain_database, channel) == []


async def test_a_chat_that_jumps_about_is_given_up(plain_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    channel = Channel("뛰는", [Broadcast(20, 5.0, **QUIET)])
    async with aired(plain_database, channel) as chzzk, finding(chzzk, plain_database, [channel]) as work:

        async def page(api: ChzzkApi, number: int, from_ms: int) -> ChatPage:
            asked.append(from_ms)
            opened = fetch(plain_database, "SELECT (extract(EPOCH FROM opened_at) * 1000)::bigint FROM broadcast")[0][0]
            said = Said(opened + from_ms * 2, from_ms)
            return ChatPage([said], [said], None)

        asked: list[int] = []
        monkeypatch.setattr("collector.videos.chat_page", page)
        monkeypatch.setattr("collector.videos._MOST_PAGES", 3)
        assert await work.finder.look() == 0
        assert len(asked) == 3
    assert rows(plain_database, channel) == []
