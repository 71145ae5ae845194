"""The chat side: joining, heartbeats, the live stream and the ledger behind it."""

from __future__ import annotations

import asyncio
import collections
import json
import socket
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from simulator import Broadcast, Channel, Simulator, demo_channels
from tests.collector.standstill import standstills


def live_name(item: dict[str, Any]) -> tuple[Any, ...]:
    return item["uid"], item["msgTime"], item["msgTypeCode"], item["msg"], item["profile"], item["extras"]


def sent_name(item: Any) -> tuple[Any, ...]:
    return item.user_id, item.time_ms, item.type_code, item.text, item.profile, item.extras


async def test_a_listener_from_the_start_gets_exactly_the_ledger(client: Any, show: Callable[..., Channel]) -> None:
    # The first third of a second is silent, so that nothing is missed between the poll and the join.
    channel = show(duration_sec=60, base_rate=40, quiet_start_sec=30, quiet_rate=0, donations_per_min=40)
    async with Simulator([channel], speed=80) as chzzk:
        listener, _ = await client(chzzk).join(channel)
        await chzzk.wait_finished()
        sent = chzzk.sent(channel.channel_id)
        await listener.until(lambda: len(listener.items()) >= len(sent), "every item")
        listener.reader.cancel()
        assert len(sent) > 1000
        assert [live_name(item) for item in listener.items()] == [sent_name(item) for item in sent]
        assert {item.delivered for item in sent} == {1}
        assert all(frame["bdy"] for frame in listener.of(93101, 93102))
        assert max(len(frame["bdy"]) for frame in listener.of(93101)) > 1


async def test_what_was_sent_before_a_listener_came_is_in_the_ledger_undelivered(
    client: Any, show: Callable[..., Channel]
) -> None:
    channel = show(duration_sec=30)
    async with Simulator([channel], speed=100) as chzzk:
        await chzzk.wait_finished()
        sent = chzzk.sent(channel.channel_id)
        assert len(sent) > 200
        assert {item.delivered for item in sent} == {0}
        # The room of an ended broadcast can still be joined: it is silent, and remembers.
        listener, hello = await client(chzzk).join(channel)
        recent = await listener.recent(hello["bdy"]["sid"], 50)
        assert [item["messageTime"] for item in recent] == [item.time_ms for item in sent[-50:]]
        assert [item.recalled for item in sent[-51:]] == [0] + [1] * 50


async def test_speed_and_seed_two_runs_say_the_same(show: Callable[..., Channel]) -> None:
    said = []
    for speed in (150.0, 400.0):
        async with Simulator([show(duration_sec=90)], speed=speed, seed=5) as chzzk:
            await chzzk.wait_finished()
            said.append([(item.offset_ms, item.user_id, item.text) for item in chzzk.sent(show().channel_id)])
    assert said[0] == said[1]
    assert len(said[0]) > 500


async def test_dates_end_about_now_and_are_never_in_the_future(client: Any, show: Callable[..., Channel]) -> None:
    channel = show(duration_sec=100)
    async with Simulator([channel], speed=160) as chzzk:
        listener, _ = await client(chzzk).join(channel)
        newest: list[float] = []
        while chzzk.progress(channel.channel_id).simulated_sec < 100:
            await asyncio.sleep(0.05)
            newest += [item["msgTime"] / 1000 - time.time() for item in listener.items()[-1:]]
        assert max(newest) <= 0
        last = chzzk.sent(channel.channel_id)[-1]
        assert -5 < last.time_ms / 1000 - time.time() <= 0
        assert last.open_date.microsecond == 0
        assert last.open_date < datetime.now(UTC)


async def test_in_real_time_a_message_has_the_time_at_which_it_is_sent(
    client: Any, show: Callable[..., Channel]
) -> None:
    channel = show(base_rate=100)
    async with Simulator([channel]) as chzzk:
        listener, _ = await client(chzzk).join(channel)
        ages_ms = []
        for _ in range(50):
            heard = len(listener.items())
            await listener.until(lambda heard=heard: len(listener.items()) > heard, "the next message")
            ages_ms.append(time.time() * 1000 - listener.items()[-1]["msgTime"])
    assert -1 <= min(ages_ms) <= 100


async def test_joining_answers_with_sid_and_recent_chat_is_capped(client: Any, show: Callable[..., Channel]) -> None:
    channel = show(duration_sec=60, base_rate=30)
    async with Simulator([channel], speed=300) as chzzk:
        await chzzk.wait_finished()
        listener, hello = await client(chzzk).join(channel)
        assert (hello["retCode"], hello["cid"]) == (0, listener.chat_channel_id)
        assert hello["bdy"]["sid"]
        recent = await listener.recent(hello["bdy"]["sid"], 5_000)
        assert len(recent) == 100
        listener.frames.clear()
        assert len(await listener.recent(hello["bdy"]["sid"], 30)) == 30
        listener.frames.clear()
        await listener.say(5101, tid=2, sid="another's", bdy={"recentMessageCount": 50})
        await listener.say(0)
        await listener.frame(10000)
        assert not listener.of(15101)
        assert chzzk.connections[0].recent_asked == [5_000, 30]


async def test_a_token_opens_its_own_chat_channel_only(client: Any) -> None:
    channels = [Channel(name, [Broadcast(60)]) for name in ("가", "나")]
    async with Simulator(channels) as chzzk:
        one = client(chzzk)
        here, there = [(await one.status(channel))["chatChannelId"] for channel in channels]
        for chat_channel_id, token in ((here, await one.token(there)), (here, "invented"), ("Nothing", "invented")):
            listener = await one.open(chat_channel_id)
            refusal = await listener.hello(token)
            assert refusal["retCode"] != 0
            assert "bdy" not in refusal
            assert await listener.closed() == 1000
        assert {record.cause for record in chzzk.connections} == {"refused"}


async def test_a_token_may_expire(client: Any, show: Callable[..., Channel]) -> None:
    channel = show()
    async with Simulator([channel], token_life_sec=0.1) as chzzk:
        one = client(chzzk)
        chat_channel_id = (await one.status(channel))["chatChannelId"]
        token = await one.token(chat_channel_id)
        assert (await (await one.open(chat_channel_id)).hello(token))["retCode"] == 0
        await asyncio.sleep(0.15)
        assert (await (await one.open(chat_channel_id)).hello(token))["retCode"] != 0


async def test_heartbeats_go_both_ways_whatever_the_type_of_ver(client: Any, show: Callable[..., Channel]) -> None:
    async with Simulator([show(base_rate=0)], ping_interval_sec=0.1) as chzzk:
        listener, _ = await client(chzzk).join(show())
        await listener.until(lambda: len(listener.of(0)) >= 2, "two pings")
        await listener.socket.send_json({"cmd": 0, "ver": 2})
        await listener.socket.send_json({"cmd": 0, "ver": "2"})
        await listener.until(lambda: len(listener.of(10000)) == 2, "two pongs")


async def test_who_stays_silent_is_dropped_and_who_answers_is_not(client: Any, show: Callable[..., Channel]) -> None:
    channel = show()
    async with Simulator([channel], silence_limit_sec=2.0, ping_interval_sec=0.5) as chzzk, standstills() as still:
        begun = time.monotonic()
        silent, _ = await client(chzzk).join(channel)
        polite, _ = await client(chzzk).join(channel)
        for _ in range(12):
            await asyncio.sleep(0.3)
            await polite.socket.send_json({"ver": 2, "cmd": 10000})
        assert await silent.closed() == 1000
        assert not polite.reader.done()
        assert [(record.cause, record.close_code) for record in chzzk.connections] == [("silent", 1000), ("", None)]
        if still.none_between(begun, time.monotonic()):
            assert chzzk.connections[0].closed_sec == pytest.approx(chzzk.connections[0].opened_sec + 2.0, abs=0.2)


async def test_nonsense_from_a_client_is_survived(client: Any, show: Callable[..., Channel]) -> None:
    channel = show()
    async with Simulator([channel]) as chzzk:
        listener, _ = await client(chzzk).join(channel)
        for text in ("nonsense", "[]", "3", '{"cmd": "x"}', '{"cmd": 100, "bdy": 7}', '{"cmd": 5101, "bdy": []}'):
            await listener.socket.send_str(text)
        await listener.say(0)
        await listener.frame(10000)


async def test_a_client_that_takes_nothing_is_dropped_and_delays_nobody(
    client: Any, show: Callable[..., Channel]
) -> None:
    channel = show(duration_sec=200, base_rate=200, quiet_start_sec=4, quiet_rate=0)
    async with Simulator([channel], speed=20, send_timeout_sec=0.8) as chzzk:
        one = client(chzzk)
        lazy, _ = await one.join(channel)
        transport = lazy.socket._response.connection.transport
        transport.pause_reading()  # the kernel's buffers fill, then the server's sends stand still
        brisk, _ = await one.join(channel)
        await brisk.until(lambda: chzzk.connections[0].cause == "slow", "the slow client's end")
        newest_ms = chzzk.sent(channel.channel_id)[-1].time_ms
        await brisk.until(
            lambda: brisk.frames[-1]["cmd"] == 93101 and brisk.frames[-1]["bdy"][-1]["msgTime"] >= newest_ms,
            "the other client to be up to date",
        )
        transport.abort()
        await lazy.closed()
        assert chzzk.connections[1].closed_sec is None


async def test_two_listeners_on_two_servers_hear_the_same(client: Any, show: Callable[..., Channel]) -> None:
    channel = show(duration_sec=20, base_rate=20, quiet_start_sec=12, quiet_rate=0)
    async with Simulator([channel], speed=40) as chzzk:
        one = client(chzzk)
        chat_channel_id = (await one.status(channel))["chatChannelId"]
        listeners = []
        for server in (1, 10):
            listeners.append(await one.open(chat_channel_id, server))
            await listeners[-1].hello(await one.token(chat_channel_id))
        await chzzk.wait_finished()
        sent = chzzk.sent(channel.channel_id)
        for listener in listeners:
            await listener.until(lambda listener=listener: len(listener.items()) == len(sent), "every item")
        assert {item.delivered for item in sent} == {2}
        assert [record.server for record in chzzk.connections] == ["1", "10"]


async def test_tls_is_trusted_with_the_shipped_certificate(show: Callable[..., Channel]) -> None:
    channel = show()
    async with Simulator([channel], tls=True) as chzzk:
        assert chzzk.api_url.startswith("https://")
        assert chzzk.chat_url.startswith("wss://")
        trust = ssl.create_default_context(cafile=str(chzzk.certificate))
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as http:
            async with http.get(f"{chzzk.api_url}/service/v1/channels/{channel.channel_id}") as response:
                assert (await response.json())["content"]["channelName"] == channel.name
            async with http.ws_connect(chzzk.chat_url.format(server=1)) as chat:
                await chat.send_json({"ver": "2", "cmd": 0})
                assert (await chat.receive_json())["cmd"] == 10000


async def test_a_taken_port_is_a_plain_os_error(show: Callable[..., Channel]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="address already in use"):
            async with Simulator([show()], port=taken.getsockname()[1]):
                pass


async def test_ledger_file_truth_and_progress(tmp_path: Path) -> None:
    channels = demo_channels(2, minutes=4)
    async with Simulator(channels, speed=400) as chzzk:
        assert chzzk.progress(channels[0].channel_id).duration_sec == 240
        await chzzk.wait_finished()
        count = chzzk.write_ledger(tmp_path / "ledger.jsonl")
        lines = [json.loads(line) for line in (tmp_path / "ledger.jsonl").read_text(encoding="utf-8").splitlines()]
        per_channel = collections.Counter(line["channel_id"] for line in lines)
        assert count == len(lines) == per_channel.total()
        for channel in channels:
            progress = chzzk.progress(channel.channel_id)
            assert progress.items_sent == per_channel[channel.channel_id] > 500
            assert progress.simulated_sec == 240
            truth = chzzk.truth(channel.channel_id)
            assert [(onset.at_sec, onset.gain) for onset in truth] == [
                (burst.onset_sec, burst.gain) for burst in channel.broadcasts[0].bursts
            ]
        with pytest.raises(KeyError):
            chzzk.sent("unknown")
