"""What goes wrong on the chat side, one kind at a time, as a client feels it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from simulator import Channel, Fault, Simulator


@pytest.mark.parametrize("code", [1000, 1011, 4000])
async def test_close_with_a_code(client: Any, show: Callable[..., Channel], code: int) -> None:
    channel = show(Fault(4, "close", code=code))
    async with Simulator([channel], speed=20) as chzzk:
        listener, _ = await client(chzzk).join(channel)
        assert await listener.closed() == code
        before = [item for item in chzzk.sent(channel.channel_id) if item.offset_ms < 4_000]
        assert listener.items()[-1]["msgTime"] == before[-1].time_ms  # nothing that was due is held back
        again, _ = await client(chzzk).join(channel)
        await again.frame(93101)
        record = chzzk.connections[0]
        assert (record.cause, record.close_code, record.channel_id) == ("fault", code, channel.channel_id)


async def test_drop_cuts_the_connection_without_a_word(client: Any, show: Callable[..., Channel]) -> None:
    channel = show(Fault(4, "drop"))
    async with Simulator([channel], speed=20) as chzzk:
        listener, _ = await client(chzzk).join(channel)
        assert await listener.closed() == 1006
        assert (chzzk.connections[0].cause, chzzk.connections[0].close_code) == ("cut", None)


async def test_half_open_for_a_while_loses_items_and_then_breaks(client: Any, show: Callable[..., Channel]) -> None:
    channel = show(Fault(4, "half_open", seconds=10), base_rate=20)
    async with Simulator([channel], speed=20) as chzzk:
        listener, _ = await client(chzzk).join(channel)
        await asyncio.sleep(max(0.0, 6 - chzzk.progress(channel.channel_id).simulated_sec) / 20)  # deaf from 4 s on
        heard = len(listener.frames)
        await listener.say(0)
        await asyncio.sleep(0.2)
        assert len(listener.frames) == heard
        assert not listener.reader.done()
        other, _ = await client(chzzk).join(channel)  # a new connection is not affected
        await other.frame(93101)
        # Once it is over the connection breaks: after what was lost, TCP could not go on.
        await asyncio.wait_for(listener.reader, 20)
        assert len(listener.frames) == heard
        await other.until(lambda: len(other.frames) > 40, "the chat to go on")
        silent = [item for item in chzzk.sent(channel.channel_id) if 5_000 < item.offset_ms < 13_000]
        got = {(item["uid"], item["msgTime"]) for item in listener.items()}
        assert len(silent) > 100
        assert not got & {(item.user_id, item.time_ms) for item in silent}


async def test_half_open_for_good_does_not_even_answer_a_close(client: Any, show: Callable[..., Channel]) -> None:
    channel = show(Fault(4, "half_open"))
    async with Simulator([channel], speed=20, silence_limit_sec=0.3) as chzzk:
        listener, _ = await client(chzzk).join(channel)
        await asyncio.sleep(0.4)
        assert chzzk.connections[0].cause == ""
        closing = asyncio.create_task(listener.socket.close())
        await asyncio.sleep(0.3)
        assert not closing.done()  # it waits for the other side's close frame
        assert chzzk.connections[0].closed_sec is None
    await closing
    assert chzzk.connections[0].cause == "shutdown"


@pytest.mark.parametrize("code", [None, 1000])
async def test_the_chat_channel_changes_during_a_broadcast(
    client: Any, show: Callable[..., Channel], code: int | None
) -> None:
    channel = show(Fault(4, "chat_channel_change", code=code), base_rate=6)
    async with Simulator([channel], speed=20) as chzzk:
        one = client(chzzk)
        before = await one.status(channel)
        listener, _ = await one.join(channel)
        old_token = await one.token(before["chatChannelId"])
        await asyncio.sleep(0.4)
        after = await one.status(channel)
        assert after["chatChannelId"] != before["chatChannelId"]
        assert after["openDate"] == before["openDate"]
        if code is None:
            heard = len(listener.items())
            await asyncio.sleep(0.2)
            assert len(listener.items()) == heard
            assert not listener.reader.done()
        else:
            assert await listener.closed() == code
        assert (await (await one.open(after["chatChannelId"])).hello(old_token))["retCode"] != 0
        moved, hello = await one.join(channel)
        recent = await moved.recent(hello["bdy"]["sid"], 100)
        await moved.frame(93101)
        got = {item["msgTime"] for item in listener.items()} | {item["messageTime"] for item in recent}
        got |= {item["msgTime"] for item in moved.items()}
        until_ms = max(got)
        sent = [item for item in chzzk.sent(channel.channel_id) if item.offset_ms >= 3_000]
        # The new room remembers everything since the change: nothing in between is lost.
        assert {item.time_ms for item in sent if item.time_ms <= until_ms} <= got


async def test_ret_code_and_handshake_rejections_are_used_up(client: Any, show: Callable[..., Channel]) -> None:
    channel = show(
        Fault(0, "ret_code", code=77), Fault(0, "handshake_reject", code=429), Fault(0.1, "handshake_reject", code=503)
    )
    async with Simulator([channel], speed=20) as chzzk:
        await asyncio.sleep(0.1)
        for status in (429, 503):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await client(chzzk).open("any")
            assert refused.value.status == status
        listener, refusal = await client(chzzk).join(channel)
        assert refusal["retCode"] == 77
        assert await listener.closed() == 1000
        _, hello = await client(chzzk).join(channel)
        assert hello["retCode"] == 0
        assert [record.cause for record in chzzk.connections] == ["rejected 429", "rejected 503", "refused", ""]


@pytest.mark.parametrize(("kind", "cause"), [("drop_on_accept", "slammed"), ("drop_on_join", "thrown out")])
@pytest.mark.parametrize("params", [{"attempts": 2}, {"seconds": 20}])
async def test_who_comes_in_is_dropped_at_once_a_few_times_or_for_a_while(
    client: Any, show: Callable[..., Channel], kind: str, cause: str, params: dict[str, Any]
) -> None:
    channel = show(Fault(0, kind, **params))
    async with Simulator([channel], speed=20) as chzzk:
        one = client(chzzk)
        chat_channel_id = (await one.status(channel))["chatChannelId"]
        token, heard = await one.token(chat_channel_id), False
        while not heard:
            listener = await one.open(chat_channel_id)
            with contextlib.suppress(ConnectionError):  # it may have been dropped already
                await listener.say(100, tid=1, bdy={"accTkn": token})
            await listener.until(lambda it=listener: it.items() or it.reader.done(), "a word or the end")
            heard = bool(listener.items())
            assert heard or bool(listener.of(10100)) == (kind == "drop_on_join")
        *dropped, stayed = chzzk.connections
    assert {(record.cause, record.close_code) for record in dropped} == {(cause, None)}
    if "attempts" in params:
        assert len(dropped) == 2
    else:
        assert stayed.opened_sec >= 1.0


async def test_a_stale_token_is_refused_and_the_next_is_not(client: Any, show: Callable[..., Channel]) -> None:
    channel = show(Fault(0, "stale_token", attempts=2))
    async with Simulator([channel], speed=20) as chzzk:
        await asyncio.sleep(0.1)
        codes = [(await client(chzzk).join(channel))[1]["retCode"] for _ in range(3)]
    assert codes == [401, 401, 0]


async def test_a_dribble_never_ends_a_frame_and_a_new_socket_is_not_affected(
    client: Any, show: Callable[..., Channel]
) -> None:
    channel = show(Fault(4, "dribble", bytes_per_real_sec=100.0))
    async with Simulator([channel], speed=20, send_timeout_sec=0.2) as chzzk:
        listener, _ = await client(chzzk).join(channel)
        await listener.frame(93101)
        await listener.until(lambda: chzzk.progress(channel.channel_id).simulated_sec > 5, "the fault")
        protocol, received = listener.socket._response.connection.protocol, bytearray()
        protocol.data_received = received.extend
        heard = len(listener.frames)
        other, _ = await client(chzzk).join(channel)
        await other.frame(93101)
        await listener.until(lambda: len(received) > 60, "sixty bytes")  # far longer than a send may take
        assert len(listener.frames) == heard
        assert not listener.reader.done()


async def test_raw_frames_arrive_as_they_are(client: Any, show: Callable[..., Channel]) -> None:
    raw = bytes([0, 255, 128])
    channel = show(
        Fault(4, "raw_frame", text="<not json>"), Fault(4, "raw_frame", bytes_base64=base64.b64encode(raw).decode())
    )
    async with Simulator([channel], speed=20) as chzzk:
        listener, _ = await client(chzzk).join(channel)
        await listener.until(lambda: raw in listener.raw, "the binary frame")
        assert listener.raw.index("<not json>") < listener.raw.index(raw)
        heard = len(listener.items())
        await listener.until(lambda: len(listener.items()) > heard, "the chat to go on")


async def test_duplicate_sends_the_last_items_again(client: Any, show: Callable[..., Channel]) -> None:
    quiet = {"donations_per_min": 0, "systems_per_min": 0, "subscriptions_per_min": 0}
    channel = show(Fault(10, "duplicate", last=5), duration_sec=15, quiet_start_sec=7, quiet_rate=0, **quiet)
    async with Simulator([channel], speed=20) as chzzk:
        listener, _ = await client(chzzk).join(channel)
        await chzzk.wait_finished()
        sent = chzzk.sent(channel.channel_id)
        await listener.until(lambda: len(listener.items()) == len(sent) + 5, "five more items than were written")
        twice = [item for item in sent if item.delivered == 2]
        before = [item for item in sent if item.offset_ms < 10_000]
        assert twice == before[-5:]
        assert len(sent) == len({(item.user_id, item.time_ms) for item in sent})


async def test_blind_and_restore_name_the_message_and_settle_in_the_ledger(
    client: Any, show: Callable[..., Channel]
) -> None:
    channel = show(
        Fault(4, "blind", back=3, blind_type="BLIND"),
        Fault(6, "restore"),
        Fault(8, "blind"),
        duration_sec=10,
        blind_share=0,
        clean_bot_share=0,
    )
    async with Simulator([channel], speed=20) as chzzk:
        listener, _ = await client(chzzk).join(channel)
        await chzzk.wait_finished()
        await listener.until(lambda: len(listener.of(94008)) == 3, "three 94008")
        first, restored, last = [frame["bdy"] for frame in listener.of(94008)]
        sent = chzzk.sent(channel.channel_id)
    assert [first["blindType"], restored["blindType"], last["blindType"]] == ["BLIND", "CANCEL", "HIDDEN"]
    assert (first["userId"], first["messageTime"]) == (restored["userId"], restored["messageTime"])
    assert [(item.user_id, item.time_ms) for item in sent if item.hidden] == [(last["userId"], last["messageTime"])]
    before = [item for item in sent if item.offset_ms < 4_000]
    assert (before[-3].user_id, before[-3].time_ms) == (first["userId"], first["messageTime"])
    assert restored["message"]["content"] == before[-3].text


async def test_channel_events(client: Any, show: Callable[..., Channel]) -> None:
    channel = show(Fault(4, "channel_event", type="TEMPORARY_RESTRICT", body={"x": 1}), channel_events_per_min=0)
    async with Simulator([channel], speed=20) as chzzk:
        listener, _ = await client(chzzk).join(channel)
        assert (await listener.frame(93006))["bdy"] == {"type": "TEMPORARY_RESTRICT", "x": 1}
