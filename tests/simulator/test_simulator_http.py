"""The HTTP side: live state, tokens, replay, and what goes wrong with them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from simulator import Broadcast, Channel, Fault, Simulator
from simulator.clock import kst_text

KST = timezone(timedelta(hours=9))


async def test_live_status_on_air(client: Any, show: Callable[..., Channel]) -> None:
    channel = show(title="첫 방송", category="종합 게임")
    async with Simulator([channel], speed=10) as chzzk:
        live = await client(chzzk).status(channel)
    assert (live["status"], live["liveTitle"], live["liveCategoryValue"]) == ("OPEN", "첫 방송", "종합 게임")
    assert live["closeDate"] is None
    assert live["concurrentUserCount"] > 0
    assert "liveId" not in live
    polling = json.loads(live["livePollingStatusJson"])
    assert (polling["isPublishing"], polling["callPeriodMilliSecond"]) == (True, 10_000)


async def test_open_date_is_korean_time_without_offset(client: Any, show: Callable[..., Channel]) -> None:
    channel = show(duration_sec=30)
    async with Simulator([channel], speed=100) as chzzk:
        open_date = (await client(chzzk).status(channel))["openDate"]
        await chzzk.wait_finished()
        opened = datetime.strptime(open_date, "%Y-%m-%d %H:%M:%S").replace(tzinfo=KST)
        assert {item.open_date for item in chzzk.sent(channel.channel_id)} == {opened}
    with pytest.raises(ValueError, match="naive"):
        kst_text(datetime(2026, 1, 1))  # noqa: DTZ001 - the naive one is the point


async def test_versions_differ_and_the_oldest_has_no_open_date(client: Any, show: Callable[..., Channel]) -> None:
    channel = show()
    async with Simulator([channel]) as chzzk:
        dates = {v: (await client(chzzk).status(channel, v)).get("openDate") for v in ("v1", "v2", "v3", "v3.1")}
        status, body = await client(chzzk).get(f"/polling/v9/channels/{channel.channel_id}/live-status")
    assert dates["v1"] is None
    assert dates["v2"] == dates["v3"] == dates["v3.1"] is not None
    assert (status, body["code"]) == (404, 404)


async def test_detail_and_channel(client: Any, show: Callable[..., Channel]) -> None:
    channel = show()
    async with Simulator([channel]) as chzzk:
        one = client(chzzk)
        details = [await one.content(f"/service/{v}/channels/{channel.channel_id}/live-detail") for v in ("v2", "v3")]
        about = await one.content(f"/service/v1/channels/{channel.channel_id}")
        unknown = await one.content("/service/v1/channels/ffffffffffffffffffffffffffffffff")
    assert details[0] == details[1]
    assert details[0]["channel"]["channelName"] == "시험방송"
    assert isinstance(details[0]["liveId"], int)
    assert details[0]["closeDate"] is None
    assert about["channelName"] == "시험방송"
    assert unknown["channelId"] is None


async def test_a_schedule_goes_off_air_and_on_again_as_a_new_broadcast(client: Any) -> None:
    shows = [Broadcast(20, title="1부", offline_before_sec=10), Broadcast(40, title="2부", offline_before_sec=20)]
    channel = Channel("연속방송", shows)
    seen: list[dict[str, Any] | None] = []
    async with Simulator([channel], speed=120) as chzzk:
        one = client(chzzk)
        finished = asyncio.create_task(chzzk.wait_finished())
        while not finished.done():
            seen.append(await one.status(channel))
            await asyncio.sleep(0.01)
        seen.append(await one.status(channel))
    states = [(live["status"], live["liveTitle"]) if live else None for live in seen]
    changes = [state for number, state in enumerate(states) if number == 0 or state != states[number - 1]]
    # A CLOSE answer keeps the old title; before the first broadcast there is nothing to tell.
    assert changes == [None, ("OPEN", "1부"), ("CLOSE", "1부"), ("OPEN", "2부"), ("CLOSE", "2부")]
    lives = [live for live in seen if live]
    closed = next(live for live in lives if live["status"] == "CLOSE")
    assert closed["concurrentUserCount"] > 0
    assert closed["closeDate"] is not None
    assert json.loads(closed["livePollingStatusJson"])["isPublishing"] is True
    assert lives[0]["openDate"] != lives[-1]["openDate"]
    assert lives[0]["chatChannelId"] != lives[-1]["chatChannelId"]
    sent = chzzk.sent(channel.channel_id)
    assert {item.broadcast for item in sent} == {0, 1}
    assert sent[-1].open_date - sent[0].open_date == timedelta(seconds=40)


async def test_an_adult_broadcast_shows_its_chat_to_a_login_only(client: Any, show: Callable[..., Channel]) -> None:
    channel = show(adult=True)
    path = f"/polling/v2/channels/{channel.channel_id}/live-status"
    async with Simulator([channel]) as chzzk:
        one = client(chzzk)
        assert (await one.content(path))["chatChannelId"] is None
        assert (await one.content(path, headers={"Cookie": "NID_AUT=x"}))["chatChannelId"] is None
        assert (await one.content(path, headers={"Cookie": "NID_AUT=x; NID_SES=y"}))["chatChannelId"]


async def test_tokens_are_for_known_chat_channels_and_new_each_time(client: Any, show: Callable[..., Channel]) -> None:
    channel = show()
    async with Simulator([channel]) as chzzk:
        one = client(chzzk)
        chat_channel_id = (await one.status(channel))["chatChannelId"]
        assert await one.token(chat_channel_id) != await one.token(chat_channel_id)
        status, body = await one.get("/nng_main/v1/chats/access-token?channelId=Nothing&chatType=STREAMING")
    assert (status, body["code"]) == (500, 50001)


@pytest.mark.parametrize(
    ("fault", "path", "expected"),
    [
        (Fault(0, "http_status", code=429, retry_after=7), "live-status", (429, "7")),
        (Fault(0, "http_status", code=503), "live-detail", (503, None)),
        (Fault(0, "html"), "live-status", (200, "text/html")),
        (Fault(0, "html", code=502), "live-status", (502, "text/html")),
    ],
)
async def test_http_faults_hit_once(
    client: Any, show: Callable[..., Channel], fault: Fault, path: str, expected: tuple[int, str | None]
) -> None:
    channel = show(fault)
    version = "polling" if path == "live-status" else "service"
    async with Simulator([channel]) as chzzk:
        url = f"{chzzk.api_url}/{version}/v2/channels/{channel.channel_id}/{path}"
        await asyncio.sleep(0.1)
        async with client(chzzk).http.get(url) as response:
            about = response.content_type if fault.kind == "html" else response.headers.get("Retry-After")
            assert (response.status, about) == expected
        async with client(chzzk).http.get(url) as response:
            assert (await response.json())["content"]["status"] == "OPEN"
        assert [request.status for request in chzzk.requests] == [expected[0], 200]


async def test_false_close_block_and_patch_last_as_many_polls_as_they_say(
    client: Any, show: Callable[..., Channel]
) -> None:
    patch = Fault(0.3, "patch", fields={"liveTitle": None}, omit=["openDate"])
    channel = show(Fault(0.1, "false_close"), Fault(0.2, "block", polls=2), patch)
    async with Simulator([channel], speed=5) as chzzk:
        await asyncio.sleep(0.2)
        answers = [await client(chzzk).status(channel) for _ in range(5)]
    assert [answer["status"] for answer in answers] == ["CLOSE", "BLOCK", "BLOCK", "OPEN", "OPEN"]
    assert answers[3]["liveTitle"] is None
    assert "openDate" not in answers[3]
    assert answers[4]["openDate"]


async def test_token_refusal_and_hang(client: Any, show: Callable[..., Channel]) -> None:
    channel = show(Fault(0, "token_refusal", code=403), Fault(0, "hang", real_seconds=0.3))
    async with Simulator([channel]) as chzzk:
        one = client(chzzk)
        await asyncio.sleep(0.1)
        began = time.monotonic()
        chat_channel_id = (await one.status(channel))["chatChannelId"]
        assert time.monotonic() - began >= 0.3
        status, _ = await one.get(f"/nng_main/v1/chats/access-token?channelId={chat_channel_id}&chatType=STREAMING")
        assert status == 403
        assert await one.token(chat_channel_id)


async def test_a_channel_may_be_gone_in_either_way(client: Any, show: Callable[..., Channel]) -> None:
    channel = show(Fault(0, "gone"), Fault(0, "gone", code=200), Fault(0, "gone", code=200, endpoint="live-detail"))
    path = f"/polling/v2/channels/{channel.channel_id}/live-status"
    async with Simulator([channel]) as chzzk:
        one = client(chzzk)
        await asyncio.sleep(0.1)
        status, body = await one.get(path)
        assert (status, body["code"], body["content"]) == (404, 404, None)
        assert await one.content(path) is None
        assert await one.content(f"/service/v3/channels/{channel.channel_id}/live-detail") is None
        assert (await one.content(path))["status"] == "OPEN"


async def test_a_trickle_takes_its_time_and_is_right(client: Any, show: Callable[..., Channel]) -> None:
    channel = show(Fault(0, "trickle", real_seconds=0.5))
    async with Simulator([channel]) as chzzk:
        await asyncio.sleep(0.1)
        began = time.monotonic()
        assert (await client(chzzk).status(channel))["status"] == "OPEN"
        assert time.monotonic() - began >= 0.5


async def test_retitle_changes_what_polls_see(client: Any, show: Callable[..., Channel]) -> None:
    channel = show(Fault(2, "retitle", title="새 제목", category="먹방"), title="옛 제목")
    async with Simulator([channel], speed=20) as chzzk:
        assert (await client(chzzk).status(channel))["liveTitle"] == "옛 제목"
        await asyncio.sleep(0.2)
        live = await client(chzzk).status(channel)
    assert (live["liveTitle"], live["liveCategoryValue"]) == ("새 제목", "먹방")


async def test_a_replay_has_the_whole_chat_by_pages_some_of_them_empty(client: Any) -> None:
    # The first 100 s of the second broadcast are silent: whole pages without a message that are not the end.
    silent = ((0.0, 0.0), (100.0, 0.0), (100.1, 1.0))
    rest: dict[str, Any] = {"donations_per_min": 0.0, "channel_events_per_min": 0.0, "video_delay_ms": 0}
    channel = Channel("다시보기", [Broadcast(20, 5.0), Broadcast(200, 3.0, drift=silent, **rest)])
    async with Simulator([channel], speed=400) as chzzk:
        one = client(chzzk)
        await chzzk.wait_finished()
        listing = await one.content(
            f"/service/v1/channels/{channel.channel_id}/videos?sortType=LATEST&pagingType=PAGE&page=0&size=1"
        )
        assert (listing["totalCount"], listing["totalPages"], len(listing["data"])) == (2, 2, 1)
        video_no = listing["data"][0]["videoNo"]
        video = await one.content(f"/service/v3/videos/{video_no}")
        chats = await one.video_chat(video_no)
        empty = await one.content(f"/service/v1/videos/{video_no}/chats?playerMessageTime=0")
        later = await one.content(
            f"/service/v1/videos/{video_no}/chats?playerMessageTime=150000&previousVideoChatSize=7"
        )
        missing, _ = await one.get("/service/v3/videos/1")
    sent = [item for item in chzzk.sent(channel.channel_id) if item.broadcast == 1]
    assert video["liveOpenDate"] == kst_text(sent[0].open_date)
    assert video["channel"]["channelName"] == "다시보기"
    assert video["duration"] == 200
    assert [(chat["userIdHash"], chat["messageTime"], chat["content"]) for chat in chats] == [
        (item.user_id, item.time_ms, item.text) for item in sent
    ]
    assert all(chat["messageTime"] - chat["playerMessageTime"] == sent[0].time_ms - sent[0].offset_ms for chat in chats)
    assert (empty["videoChats"], empty["nextPlayerMessageTime"]) == ([], 45_000)
    assert len(later["previousVideoChats"]) == 7
    assert missing == 404


async def test_a_republished_replay_has_two_starts_and_may_have_other_ids(client: Any) -> None:
    script = Broadcast(100, 10.0, video_cuts=((40, 15),), replay_own_ids=True)
    channel = Channel("재게시", [script])
    async with Simulator([channel], speed=400) as chzzk:
        await chzzk.wait_finished()
        listing = await client(chzzk).content(f"/service/v1/channels/{channel.channel_id}/videos?page=0&size=10")
        chats = await client(chzzk).video_chat(listing["data"][0]["videoNo"])
        sent = chzzk.sent(channel.channel_id)
    open_ms = round(sent[0].open_date.timestamp() * 1000)
    starts = {chat["messageTime"] - chat["playerMessageTime"] - open_ms for chat in chats}
    assert starts == {2_340, 17_340}
    assert not [chat for chat in chats if 40_000 <= chat["messageTime"] - open_ms < 55_000]
    people = {item.user_id for item in sent if len(item.user_id) == 32}
    assert not people & {chat["userIdHash"] for chat in chats}


async def test_requests_are_logged_by_channel(client: Any, show: Callable[..., Channel]) -> None:
    channel = show()
    async with Simulator([channel], speed=2) as chzzk:
        await client(chzzk).status(channel)
        await client(chzzk).get("/polling/v2/channels/unknown/live-status")
        logged = [(request.endpoint, request.channel_id, request.status) for request in chzzk.requests]
        assert logged == [("live-status", channel.channel_id, 200), ("live-status", None, 404)]
        assert chzzk.requests[1].simulated_sec == pytest.approx(2 * chzzk.requests[1].at_sec, abs=0.01)
