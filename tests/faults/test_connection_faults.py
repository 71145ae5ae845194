"""Connections that fail in every way: each play has its rows, its gaps, and the log of its connections."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from collector import backoff
from collector.channel import WatchSettings
from collector.chzzk.chat import ChatSocket, Heartbeat
from collector.chzzk.decode import Frame
from simulator import Fault, Simulator
from store.database import Database
from tests.collector.studio import causes, collecting, fetch, gaps, until
from tests.faults.line import Line, Outcome, line
from tests.faults.play import (
    BRISK,
    assert_complete,
    assert_gaps_are_what_is_lost,
    attempts,
    collect,
    refusals,
    show,
)

HOUR_SEC = 3600.0


def test_the_numbers_of_production_are_those_that_were_promised() -> None:
    heartbeat = Heartbeat()
    assert heartbeat.ping_after < heartbeat.dead_after < 60
    assert (backoff.FIRST_SEC, backoff.CAP_SEC, backoff.USEFUL_SEC) == (1.0, 30.0, 60.0)
    settings = WatchSettings()
    assert settings.backoff is backoff.Backoff
    assert settings.heartbeat == heartbeat


def test_a_server_that_accepts_and_drops_for_an_hour_is_not_hammered(
    plain_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the times of production, and real jitter; half an hour before a word was said, half an hour after."""
    half = HOUR_SEC / 2
    faults = [Fault(0, "drop_on_accept", seconds=half), Fault(half, "drop_on_join", seconds=half)]
    channel = show(*faults, duration_sec=HOUR_SEC + 300, base_rate=0.1)
    chzzk = collect(monkeypatch, plain_database, [channel], WatchSettings())
    log = attempts(chzzk)
    dropped = [record for record in chzzk.connections if record.cause in ("slammed", "thrown out")]
    # On average one in 15 s, which is 240: never a burst, and never given up.
    assert 150 < len(dropped) < 400
    assert log == ["slammed"] * log.count("slammed") + ["thrown out"] * log.count("thrown out") + ["client 1000"]
    assert min(log.count("slammed"), log.count("thrown out")) > 50
    waits = [later.opened_sec - earlier.opened_sec for earlier, later in pairwise(chzzk.connections)]
    assert max(waits) < 30 + 2
    steady = waits[6:]  # the limit has grown to its cap
    assert min(steady) < 3
    assert max(steady) > 25
    assert 12 < sum(steady) / len(steady) < 18
    # Of a socket that was never welcomed there is no row.
    ends = causes(plain_database)
    assert ends[-1] == "broadcast ended"
    assert set(ends[:-1]) == {"close 1006"}
    assert len(ends) == log.count("thrown out") + 1
    # The hour is lost but for the recent chat, and the gap says so.
    lost = assert_gaps_are_what_is_lost(plain_database, channel, chzzk.sent(channel.channel_id))
    assert len(lost) > 200
    assert len(gaps(plain_database)) == 1


def test_only_a_minute_of_data_resets_the_delay_and_silence_is_noticed_within_a_minute(
    plain_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the times of production; each delay is the longest that may be drawn."""
    monkeypatch.setattr(backoff.random, "uniform", lambda low, high: high)
    faults = [
        Fault(0, "drop_on_join", attempts=6),
        Fault(95, "drop"),  # after some 30 s of data
        Fault(200, "drop"),  # after some 75 s of data
        Fault(300, "half_open"),  # TCP is up; nothing comes, pongs neither
        Fault(500, "dribble"),  # bytes come, and never a frame
    ]
    channel = show(*faults, duration_sec=700, base_rate=0.5, quiet_start_sec=65, donations_per_min=0)
    chzzk = collect(monkeypatch, plain_database, [channel], WatchSettings())
    assert_complete(plain_database, chzzk, channel)
    silent = ["silent for 55 s"] * 2
    assert causes(plain_database) == ["close 1006"] * 8 + silent + ["broadcast ended"]
    opened = [record.opened_sec for record in chzzk.connections]
    waits = [later - earlier for earlier, later in pairwise(opened[:7])]
    assert waits == pytest.approx([1, 2, 4, 8, 16, 30], abs=0.5)
    assert opened[7] == pytest.approx(95 + 30, abs=1)
    assert opened[8] == pytest.approx(200 + 1, abs=1)
    for fault_sec, again_sec in ((300, opened[9]), (500, opened[10])):
        assert 50 < again_sec - fault_sec < 60 + 1  # the delay is 1 s again
    assert len(opened) == 11


def test_every_way_to_lose_a_connection_or_not_to_get_one(
    plain_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after the other; whatever it was, the recent chat brings back what was said meanwhile."""
    faults = [
        Fault(6, "close", code=1000),
        Fault(9, "close", code=1001),
        Fault(12, "drop"),
        Fault(15, "close", code=1011),
        Fault(18, "close", code=4001, reason="x" * 100),
        Fault(21, "handshake_reject", code=403),
        Fault(21, "handshake_reject", code=429),
        Fault(21, "handshake_reject", code=503),
        Fault(21, "close", code=1001),
        Fault(24, "ret_code", code=105, attempts=2),
        Fault(24, "close", code=1001),
        Fault(27, "stale_token", attempts=2),
        Fault(27, "close", code=1001),
        Fault(30, "token_refusal", code=500, attempts=3),
        Fault(30, "close", code=1001),
        Fault(33, "html", endpoint="token"),
        Fault(33, "gone", code=200, endpoint="token"),
        Fault(33, "close", code=1001),
        Fault(36, "drop_on_accept", attempts=2),
        Fault(36, "close", code=1001),
        Fault(39, "raw_frame", text='{"cmd":93101,"bdy":[]}'),
        Fault(39, "close", code=1012),
    ]
    channel = show(*faults, duration_sec=45)
    chzzk = collect(monkeypatch, plain_database, [channel])
    assert_complete(plain_database, chzzk, channel)
    assert causes(plain_database) == [
        *("close 1000", "close 1001", "close 1006", "close 1011", "close 4001"),
        *["close 1001"] * 6,
        *("close 1012", "broadcast ended"),
    ]
    assert attempts(chzzk) == [
        *("fault 1000", "fault 1001", "cut", "fault 1011", "fault 4001"),
        *("fault 1001", "rejected 403", "rejected 429", "rejected 503"),
        *("fault 1001", "refused 1000", "refused 1000"),  # a retCode
        *("fault 1001", "refused 1000", "refused 1000"),  # expired tokens
        *("fault 1001", "fault 1001"),  # no tokens: there is not even an attempt
        *("fault 1001", "slammed", "slammed"),
        *("fault 1012", "client 1000"),
    ]
    tokens = [request.status for request in chzzk.requests if request.endpoint == "token"]
    assert tokens.count(500) == 3
    assert tokens.count(200) == len(attempts(chzzk)) + 2  # the page of HTML, and null


def test_names_that_are_not_found_and_certificates_that_are_not_trusted(
    plain_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the start of the broadcast, and in the middle of it: both pass, and cost nothing."""
    outcomes: list[Outcome] = ["no such name", "no such name", "not trusted", "not trusted", "connected"]
    channel = show(Fault(10, "drop"), duration_sec=20)
    lines: list[Line] = []

    @asynccontextmanager
    async def place(chzzk: Simulator) -> AsyncIterator[Line]:
        async with line(chzzk, outcomes * 2, monkeypatch) as it:
            lines.append(it)
            yield it

    chzzk = collect(monkeypatch, plain_database, [channel], place=place)
    assert_complete(plain_database, chzzk, channel)
    assert lines[0].seen == outcomes * 2
    assert causes(plain_database) == ["close 1006", "broadcast ended"]
    assert attempts(chzzk) == ["cut", "client 1000"]


def test_a_reader_that_is_too_slow_is_dropped_and_catches_up(
    plain_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a minute over one frame, while 30 MB come: the kernel's buffers fill, and the server has had enough."""
    frames, naps = ChatSocket.frames, [30.0]

    async def slowly(self: ChatSocket) -> AsyncIterator[Frame]:
        async for frame in frames(self):
            if naps and any(len(event.content or "") > 100_000 for event in frame.events):
                await asyncio.sleep(naps.pop())
            yield frame

    monkeypatch.setattr(ChatSocket, "frames", slowly)
    floods = [Fault(10 + number / 10, "say", chars=180_000) for number in range(60)]
    channel = show(*floods, duration_sec=60, base_rate=0.5)
    chzzk = collect(monkeypatch, plain_database, [channel])
    assert not naps
    assert attempts(chzzk) == ["slow", "client 1000"]
    assert_complete(plain_database, chzzk, channel)
    assert causes(plain_database) == ["close 1006", "broadcast ended"]


def test_frames_of_every_size_and_shape(plain_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proper things said in unusual ways are rows; what is no message is kept as it came; nobody hangs up."""
    proper = [
        Fault(5, "fragment", parts=5),
        Fault(5, "say", items=3, chars=300),
        Fault(6, "say", binary=True),
        Fault(7, "say", chars=1_000_000),
        Fault(8, "fragment", parts=50),
        Fault(8, "say", chars=400_000),
    ]
    no_command, no_list = "not a message with a command", "the body is not a list of items"
    shapes = {
        "": no_command,
        "<html>busy</html>": no_command,
        "7": no_command,
        '[{"cmd":93101}]': no_command,
        '{"cmd":"93101","bdy":[]}': no_command,
        '{"cmd":93101': no_command,
        '{"cmd":93101}': no_list,
        '{"cmd":93102,"bdy":{"uid":"u"}}': no_list,
        '{"cmd":93101,"bdy":[7]}': "not an object",
        '{"cmd":94008,"bdy":null}': "a blind that names no message",
        '{"cmd":99999,"bdy":[1]}': "unknown command 99999",
    }
    odd = [Fault(10 + number, "raw_frame", text=text) for number, text in enumerate(shapes)]
    binary = Fault(30, "raw_frame", bytes_base64=base64.b64encode(bytes(range(256))).decode())
    deep = [Fault(31, "nested", depth=900), Fault(32, "nested", depth=100_000)]
    # What says nothing: no refusal either.
    silent = ['{"cmd":93101,"bdy":[]}', '{"cmd":10000}', '{"cmd":10100,"retCode":1}']
    quiet = [Fault(33, "raw_frame", text=text) for text in silent]
    channel = show(*proper, *odd, binary, *deep, *quiet, duration_sec=40)
    chzzk = collect(monkeypatch, plain_database, [channel])
    assert_complete(plain_database, chzzk, channel)
    assert causes(plain_database) == ["broadcast ended"]
    reasons = [*shapes.values(), no_command, "not an object", no_command]
    assert refusals(plain_database) == [("live", reason) for reason in reasons]
    raw = [json.loads(text) for (text,) in fetch(plain_database, "SELECT raw FROM rejected_item ORDER BY 1")]
    assert {text for text in shapes if shapes[text] == no_command} <= {text for text in raw if isinstance(text, str)}
    assert any(isinstance(text, str) and text.count("[") > 100_000 for text in raw)


async def test_a_hundred_thousand_items_in_a_frame_are_as_many_rows(plain_database: Database) -> None:
    channel = show(Fault(15, "say", items=100_000), duration_sec=40)
    async with Simulator([channel], speed=10) as chzzk:
        async with collecting(chzzk, plain_database, [channel.channel_id], BRISK) as work:
            await until(lambda: work.ended, "the end")
        assert_complete(plain_database, chzzk, channel)
        assert len(chzzk.sent(channel.channel_id)) > 100_000
    assert causes(plain_database) == ["broadcast ended"]
