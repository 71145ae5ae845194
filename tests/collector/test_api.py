"""Chzzk over HTTP: what its answers mean, and that no answer can mean more than it says."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from collector.chzzk.api import ChzzkApi, ChzzkUnavailable, Endpoints, _answer_time, _pause, parse_korean_time
from simulator import Broadcast, Channel, Fault, Simulator
from tests.collector.studio import endpoints, until

NOW = datetime(2026, 1, 6, 11, tzinfo=UTC)


@asynccontextmanager
async def answering(handler: Callable[[web.Request], Any]) -> AsyncIterator[ChzzkApi]:
    """A client of a server whose every answer is the handler's."""
    app = web.Application()
    app.add_routes([web.get("/{path:.*}", handler)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with ChzzkApi(Endpoints(url, url, "ws://127.0.0.1:1/")) as api:
            yield api
    finally:
        await runner.cleanup()


@asynccontextmanager
async def saying(text: str | bytes, status: int = 200, **headers: str) -> AsyncIterator[ChzzkApi]:
    """A client of a server that always says this."""
    body = text.encode() if isinstance(text, str) else text

    async def handler(request: web.Request) -> web.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(body=body, status=status, headers=named)

    async with answering(handler) as api:
        yield api


async def test_a_broadcast_on_air_and_after_it() -> None:
    channel = Channel("시험", [Broadcast(80, title="제목", category="종합 게임", viewers=1000)])
    begun = time.monotonic()
    async with Simulator([channel], speed=20) as chzzk, ChzzkApi(endpoints(chzzk)) as api:
        live = await api.live_status(channel.channel_id)
        passed_sec = time.monotonic() - begun
        assert (live.status, live.title, live.category, live.adult) == ("OPEN", "제목", "종합 게임", False)
        assert live.viewers == 600
        assert live.opened_at is not None
        assert live.opened_at.tzinfo is UTC
        assert live.chat_channel_id is not None
        # The server's clock is the simulated one: the start of the broadcast is now, whatever the wall says.
        assert 0 <= (live.answered_at - live.opened_at).total_seconds() <= 20 * passed_sec + 1  # in whole seconds
        detail = await api.live_detail(channel.channel_id)
        assert (detail.opened_at, detail.closed_at, detail.channel_name) == (live.opened_at, None, "시험")
        assert await api.channel_name(channel.channel_id) == "시험"
        assert await api.access_token(live.chat_channel_id) != await api.access_token(live.chat_channel_id)
        await chzzk.wait_finished()
        over = await api.live_status(channel.channel_id)
        assert (over.status, over.title, over.opened_at) == ("CLOSE", "제목", live.opened_at)
        closed = (await api.live_detail(channel.channel_id)).closed_at
        assert closed is not None
        assert (closed - live.opened_at).total_seconds() == 80
        assert sent_after(chzzk, channel) == live.opened_at


def sent_after(chzzk: Simulator, channel: Channel) -> datetime:
    return chzzk.sent(channel.channel_id)[0].open_date


async def test_an_adult_broadcast_tells_its_chat_to_a_login() -> None:
    channel = Channel("성인", [Broadcast(60, adult=True)])
    async with Simulator([channel]) as chzzk:
        for cookies, known in ((None, False), ({"NID_AUT": "a", "NID_SES": "b"}, True)):
            async with ChzzkApi(endpoints(chzzk), cookies) as api:
                live = await api.live_status(channel.channel_id)
                assert (live.adult, live.chat_channel_id is not None) == (True, known)


@pytest.mark.parametrize(
    ("fault", "reason", "pause"),
    [
        (Fault(0, "http_status", code=429, retry_after=7), "HTTP 429", 7.0),
        (Fault(0, "http_status", code=429, retry_after=10**9), "HTTP 429", 600.0),
        (Fault(0, "http_status", code=429, retry_after="Mon, 01 Jan 1990 00:00:00 GMT"), "HTTP 429", 0.0),
        (Fault(0, "http_status", code=429, retry_after="soon"), "HTTP 429", None),
        (Fault(0, "http_status", code=500), "HTTP 500", None),
        (Fault(0, "html"), "not JSON", None),
        (Fault(0, "html", code=502), "HTTP 502", None),
    ],
)
async def test_a_failed_request_says_why_and_nothing_more(fault: Fault, reason: str, pause: float | None) -> None:
    channel = Channel("시험", [Broadcast(60)], [fault])
    async with Simulator([channel]) as chzzk, ChzzkApi(endpoints(chzzk)) as api:
        await asyncio.sleep(0.1)
        with pytest.raises(ChzzkUnavailable, match=reason) as caught:
            await api.live_status(channel.channel_id)
        assert caught.value.retry_after == pause
        if pause:
            # All channels are refused together: nobody is asked before the time.
            with pytest.raises(ChzzkUnavailable, match="asked to wait") as waiting:
                await api.live_status("another")
            assert pause - 1 < (waiting.value.retry_after or 0) <= pause
            assert len(chzzk.requests) == 1
        else:
            assert (await api.live_status(channel.channel_id)).status == "OPEN"


async def test_block_and_missing_fields_are_unknown_not_offline() -> None:
    fields = ["openDate", "liveTitle", "chatChannelId", "concurrentUserCount", "liveCategoryValue", "liveCategory"]
    nulls = dict.fromkeys(fields)
    faults = [Fault(0, "block"), Fault(0, "patch", fields=nulls), Fault(0, "patch", omit=[*fields, "status"])]
    channel = Channel("시험", [Broadcast(60)], faults)
    async with Simulator([channel]) as chzzk, ChzzkApi(endpoints(chzzk)) as api:
        await asyncio.sleep(0.1)
        assert (await api.live_status(channel.channel_id)).status == "UNKNOWN"
        for status in ("OPEN", "UNKNOWN"):
            live = await api.live_status(channel.channel_id)
            assert live.status == status
            assert {live.opened_at, live.title, live.chat_channel_id, live.viewers, live.category} == {None}


async def test_a_channel_that_was_never_on_air_and_one_that_does_not_exist() -> None:
    channel = Channel("시험", [Broadcast(60, offline_before_sec=60)])
    async with Simulator([channel]) as chzzk, ChzzkApi(endpoints(chzzk)) as api:
        assert (await api.live_status(channel.channel_id)).status == "UNKNOWN"
        with pytest.raises(ChzzkUnavailable, match="404"):
            await api.live_status("0" * 32)
        with pytest.raises(ChzzkUnavailable, match="500"):
            await api.access_token("nothing")


@pytest.mark.parametrize(
    "body", ["", "[]", "7", '"x"', '{"content":[]}', '{"content":"x"}', "{", b"\xff\xfe", "[" * 5000]
)
async def test_answers_of_the_wrong_shape(body: str | bytes) -> None:
    async with saying(body) as api:
        for asking in (api.live_status("c"), api.live_detail("c"), api.channel_name("c"), api.access_token("c")):
            with pytest.raises(ChzzkUnavailable):
                await asking


@pytest.mark.parametrize(
    "content",
    [
        '{"status":7,"liveTitle":[],"openDate":12,"chatChannelId":{},"concurrentUserCount":"9","adult":"true"}',
        '{"status":["OPEN"],"openDate":"2026-13-01 00:00:00","concurrentUserCount":-1,"channel":[]}',
        '{"status":"open","openDate":"0001-01-01 00:00:00","concurrentUserCount":1e99,"channel":{"channelName":5}}',
        '{"openDate":"9999-12-31 23:59:59x","closeDate":"","concurrentUserCount":99999999999}',
    ],
)
async def test_fields_of_the_wrong_type_are_missing(content: str) -> None:
    async with saying(f'{{"code":200,"content":{content}}}', Date="Fri, 31 Dec 9999 23:59:59 -2300") as api:
        live, detail = await api.live_status("c"), await api.live_detail("c")
        assert (live.status, live.opened_at, live.viewers, live.title) == ("UNKNOWN", None, None, None)
        assert (detail.opened_at, detail.closed_at, detail.channel_name) == (None, None, None)
        assert abs((live.answered_at - datetime.now(UTC)).total_seconds()) < 60
        with pytest.raises(ChzzkUnavailable, match="accessToken"):
            await api.access_token("c")


async def test_an_answer_without_end_is_not_taken_in() -> None:
    sent = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" " * 65_536)
            sent += 65_536

    async with answering(handler) as api:
        with pytest.raises(ChzzkUnavailable, match="does not end"):
            await api.live_status("c")
        assert sent < 16 * 1024 * 1024


async def test_a_server_that_is_not_there_or_hangs_up() -> None:
    async with ChzzkApi(Endpoints("http://127.0.0.1:1", "http://127.0.0.1:1", "")) as api:
        with pytest.raises(ChzzkUnavailable, match=r"^ClientConnectorError: Connect call failed"):
            await api.live_status("c")

    async def handler(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with answering(handler) as api:
        with pytest.raises(ChzzkUnavailable):
            await api.live_status("c")


@pytest.mark.parametrize(
    "answer",
    [
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz{"accessToken":"s3cret"}\r\n',
        "s3cret, and no HTTP\r\n\r\n",
        "HTTP/1.1 302 Found\r\nLocation: http://host:99999999/s3cret\r\n\r\n",
        "HTTP/1.1 302 Found\r\nLocation: ftp://s3cret/\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\ns3cret",
    ],
)
async def test_an_answer_that_is_broken_is_not_quoted(answer: str) -> None:
    async def broken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer.encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(broken, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with ChzzkApi(Endpoints(url, url, "")) as api:
            with pytest.raises(ChzzkUnavailable) as caught:
                await api.access_token("c")
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_tls_is_verified_against_ssl_cert_file() -> None:
    channel = Channel("자물쇠", [Broadcast(600)])
    code = """
import asyncio, sys
from collector.chzzk.api import ChzzkApi, Endpoints
async def ask(url, channel):
    async with ChzzkApi(Endpoints(url, url, "")) as api:
        return (await api.live_status(channel)).status
print(asyncio.run(ask(*sys.argv[1:])))
"""
    async with Simulator([channel], tls=True) as chzzk:
        for trusted in (True, False):
            environment = {**os.environ, "SSL_CERT_FILE": str(chzzk.certificate) if trusted else ""}
            done = await asyncio.to_thread(
                subprocess.run,
                [sys.executable, "-c", code, chzzk.api_url, channel.channel_id],
                env=environment,
                cwd=Path(__file__).parents[2],
                capture_output=True,
                text=True,
                check=False,
            )
            assert (done.stdout == "OPEN\n") == trusted, done.stderr
            assert trusted or "ChzzkUnavailable" in done.stderr


def test_dates_are_korean() -> None:
    assert parse_korean_time("2026-01-06 20:00:00") == NOW
    assert parse_korean_time("2026-01-01 08:59:59") == datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC)


@given(st.text() | st.none() | st.integers() | st.datetimes().map(lambda moment: moment.strftime("%Y-%m-%d %H:%M:%S")))
def test_no_date_raises(value: Any) -> None:
    assert parse_korean_time(value) is None or isinstance(value, str)


@given(st.text() | st.from_regex(r"\w{3}, \d{1,2} \w{3} \d{1,6} \d\d:\d\d:\d\d [+-]\d{4}", fullmatch=True))
def test_no_header_raises(value: str) -> None:
    assert _answer_time(value).tzinfo is UTC
    pause = _pause(value, NOW)
    assert pause is None or 0 <= pause <= 600


async def test_the_simulators_clock_is_in_its_date_header() -> None:
    channel = Channel("시험", [Broadcast(400)])
    async with Simulator([channel], speed=100) as chzzk, ChzzkApi(endpoints(chzzk)) as api:
        first = await api.live_status(channel.channel_id)
        await until(lambda: chzzk.progress(channel.channel_id).simulated_sec > 100, "100 s")
        later = await api.live_status(channel.channel_id)
        assert (later.answered_at - first.answered_at).total_seconds() > 90
