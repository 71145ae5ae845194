"""What is said and cannot be right, and proper things that are said in an unusual way."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import WSMsgType

from simulator import Channel, Fault, Simulator, wire

SILENT: dict[str, Any] = {"base_rate": 0, "donations_per_min": 0, "systems_per_min": 0, "channel_events_per_min": 0}


async def test_say_is_one_frame_in_the_ledger_and_in_the_recent_chat(client: Any, show: Callable[..., Channel]) -> None:
    channel = show(Fault(4, "say", items=300, chars=20), Fault(5, "say", shift_ms=-60_000), **SILENT)
    async with Simulator([channel], speed=20) as chzzk:
        listener, hello = await client(chzzk).join(channel)
        await listener.until(lambda: len(listener.items()) == 301, "all of it")
        sent = chzzk.sent(channel.channel_id)
        assert [len(frame["bdy"]) for frame in listener.of(93101)] == [300, 1]
        assert [(item["uid"], item["msgTime"], item["msg"]) for item in listener.items()] == [
            (item.user_id, item.time_ms, item.text) for item in sent
        ]
        assert len({item.user_id for item in sent}) == 301
        assert {len(item.text or "") for item in sent[:300]} == {20}
        assert [item.offset_ms for item in sent[-2:]] == [4_000, -55_000]
        recent = await listener.recent(hello["bdy"]["sid"], 100)
        assert [item["userId"] for item in recent] == [item.user_id for item in sent[-100:]]


async def test_say_after_the_end_belongs_to_the_broadcast_that_has_ended(
    client: Any, show: Callable[..., Channel]
) -> None:
    channel = show(Fault(12, "say"), duration_sec=10, **SILENT)
    async with Simulator([channel], speed=20) as chzzk:
        listener, _ = await client(chzzk).join(channel)
        await listener.until(lambda: listener.items(), "the late word")
        (item,) = chzzk.sent(channel.channel_id)
        assert (item.broadcast, item.offset_ms) == (0, 12_000)


async def test_say_may_be_binary(client: Any, show: Callable[..., Channel]) -> None:
    channel = show(Fault(4, "say", binary=True), **SILENT)
    async with Simulator([channel], speed=20) as chzzk:
        listener, _ = await client(chzzk).join(channel)
        await listener.until(lambda: isinstance(listener.raw[-1], bytes), "the binary frame")
        (item,) = json.loads(listener.raw[-1])["bdy"]
        assert item["uid"] == chzzk.sent(channel.channel_id)[0].user_id


async def test_odd_items_are_alike_live_and_in_the_recent_chat(client: Any, show: Callable[..., Channel]) -> None:
    odd = [
        {"fields": {"msg": None, "profile": 7}},
        {"omit": ["uid", "extras"], "shift_ms": -1000},
        {"fields": {"msgTime": "soon", "msg": "\x00\ud800"}},
        {"raw": [1, "x"]},
        {"raw": None},
    ]
    channel = show(Fault(4, "odd_items", items=odd, command=93102), **SILENT)
    async with Simulator([channel], speed=20) as chzzk:
        listener, hello = await client(chzzk).join(channel)
        frame = await listener.frame(93102)
        recent = await listener.recent(hello["bdy"]["sid"], 100)
        assert [item.live for item in chzzk.odd(channel.channel_id)] == frame["bdy"]
        assert [item.recent for item in chzzk.odd(channel.channel_id)] == recent
        assert chzzk.sent(channel.channel_id) == []
    first, second, third = frame["bdy"][:3]
    assert (first["msg"], first["profile"], first["msgTypeCode"]) == (None, 7, 1)
    assert (recent[0]["content"], recent[0]["profile"]) == (None, 7)
    assert recent[0]["userId"] == first["uid"]
    assert not {"uid", "extras"} & set(second)
    assert not {"userId", "extras"} & set(recent[1])
    assert recent[1]["messageTime"] == second["msgTime"] == first["msgTime"] - 1000
    assert (third["msgTime"], recent[2]["content"]) == ("soon", "\x00\ud800")
    assert frame["bdy"][3:] == recent[3:] == [[1, "x"], None]


@pytest.mark.parametrize(("live", "recall"), [(True, False), (False, True)])
async def test_odd_items_in_one_of_the_two(client: Any, show: Callable[..., Channel], live: bool, recall: bool) -> None:
    channel = show(Fault(4, "odd_items", items=[{"raw": 1}], live=live, recall=recall), Fault(5, "say"), **SILENT)
    async with Simulator([channel], speed=20) as chzzk:
        listener, hello = await client(chzzk).join(channel)
        await listener.until(lambda: len(listener.items()) == 1 + live, "the proper word")
        assert (listener.items()[0] == 1) == live
        assert (1 in await listener.recent(hello["bdy"]["sid"], 100)) == recall


async def test_a_nested_frame_is_as_deep_as_it_says(client: Any, show: Callable[..., Channel]) -> None:
    async with Simulator([show(Fault(4, "nested", depth=50), **SILENT)], speed=20) as chzzk:
        listener, _ = await client(chzzk).join(show())
        found = (await listener.frame(93101))["bdy"]
    depth = 0
    while found:
        (found,), depth = found, depth + 1
    assert depth == 50


@pytest.mark.parametrize("size", [5, 125, 126, 65_535, 65_536, 1_000_000])
@pytest.mark.parametrize("parts", [1, 2, 7])
def test_the_wire_is_rfc_6455(size: int, parts: int) -> None:
    payload = bytes(number % 251 for number in range(size))
    opcodes, finals, taken = [], [], b""
    for frame in wire.message(payload, wire.BINARY, parts):
        opcodes.append(frame[0] & 0x0F)
        finals.append(bool(frame[0] & 0x80))
        extended = {126: 2, 127: 8}.get(frame[1], 0)
        length = int.from_bytes(frame[2 : 2 + extended], "big") if extended else frame[1]
        assert len(frame) == 2 + extended + length
        assert extended == (0 if length < 126 else 2 if length < 65_536 else 8)  # the shortest, as the RFC demands
        taken += frame[2 + extended :]
    assert taken == payload
    assert opcodes == [2] + [0] * (parts - 1)
    assert finals == [False] * (parts - 1) + [True]


async def test_fragments_are_continuation_frames_with_pings_between(client: Any, show: Callable[..., Channel]) -> None:
    channel = show(Fault(4, "fragment", parts=4), Fault(5, "say", chars=100), Fault(6, "say"), **SILENT)
    async with Simulator([channel], speed=20) as chzzk:
        listener, _ = await client(chzzk).join(channel)
        protocol, received = listener.socket._response.connection.protocol, bytearray()
        whole = protocol.data_received

        def eavesdrop(data: bytes) -> None:
            received.extend(data)
            whole(data)

        protocol.data_received = eavesdrop
        await listener.until(lambda: len(listener.items()) == 2, "both")
        assert [item["msg"] for item in listener.items()] == [item.text for item in chzzk.sent(channel.channel_id)]
        opcodes = []
        while received:
            extended = {126: 2, 127: 8}.get(received[1], 0)
            length = int.from_bytes(received[2 : 2 + extended], "big") if extended else received[1]
            opcodes.append(received[0])
            del received[: 2 + extended + length]
    text, ping, last = WSMsgType.TEXT, 0x80 | WSMsgType.PING, 0x80
    assert opcodes == [text, ping, 0, ping, 0, ping, last, 0x80 | text]
