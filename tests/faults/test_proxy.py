"""The proxy breaks connections the way it was told, and otherwise changes nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import psycopg
import pytest

from store.database import Database
from tests.faults.proxy import DatabaseProxy

# What a client sees of a connection that is gone, with asyncpg's own words for it.
GONE = (OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError)

CHANNELS = "SELECT count(*) FROM channel"
INSERT = "INSERT INTO channel (channel_id) VALUES ($1)"


@pytest.fixture
async def proxy(plain_database: Database) -> AsyncIterator[DatabaseProxy]:
    async with DatabaseProxy(plain_database.parameters) as proxy:
        yield proxy


def behind(database: Database) -> int:
    """The rows that there are, asked without the proxy."""
    with database.connect() as connection:
        (count,) = connection.execute(CHANNELS).fetchone() or (-1,)
    return int(count)


async def client(proxy: DatabaseProxy, **options: Any) -> asyncpg.Connection:
    known = proxy.parameters
    place = {"host": known["host"], "port": int(known["port"]), "user": known["user"], "database": known["dbname"]}
    return await asyncpg.connect(**place, **options)


async def test_passes_everything_on(proxy: DatabaseProxy) -> None:
    async with proxy.database().pool() as pool:
        big = "가" * 1_000_000
        assert await pool.fetchval("SELECT $1::text", big) == big
        await pool.execute(INSERT, "one")
        assert await pool.fetchval(CHANNELS) == 1

    def by_url() -> Any:
        with psycopg.connect(proxy.url) as connection:
            return connection.execute(CHANNELS).fetchone()

    assert await asyncio.to_thread(by_url) == (1,)


async def test_refuses_and_is_back_on_the_same_port(proxy: DatabaseProxy) -> None:
    connection = await client(proxy)
    refusing = asyncio.create_task(proxy.refuse(0.3))
    await asyncio.sleep(0.05)
    with pytest.raises(ConnectionRefusedError):
        await client(proxy)
    with pytest.raises(GONE):
        await connection.fetchval(CHANNELS)
    await refusing
    again = await client(proxy)
    assert await again.fetchval(CHANNELS) == 0
    await again.close()
    assert proxy.accepted == 2


async def test_cuts_all_connections_at_once(proxy: DatabaseProxy) -> None:
    connections = [await client(proxy) for _ in range(2)]
    waiting = [asyncio.create_task(connection.execute("SELECT pg_sleep(60)")) for connection in connections]
    await asyncio.sleep(0.1)
    proxy.cut()
    for task in waiting:
        with pytest.raises(GONE):
            await task
    again = await client(proxy)
    assert await again.fetchval(CHANNELS) == 0
    await again.close()


async def test_a_cut_in_the_middle_of_a_statement_leaves_nothing(
    proxy: DatabaseProxy, plain_database: Database
) -> None:
    connection = await client(proxy)
    cut = proxy.cut_after(100_000)
    with pytest.raises(GONE):
        await connection.execute("INSERT INTO channel (channel_id, name) VALUES ('half', $1)", "x" * 200_000)
    assert cut.is_set()
    assert behind(plain_database) == 0
    again = await client(proxy)  # it happens once
    await again.execute(INSERT, "whole")
    await again.close()
    assert behind(plain_database) == 1


async def test_what_was_sent_before_the_cut_arrives(proxy: DatabaseProxy, plain_database: Database) -> None:
    connection = await client(proxy)
    statement = "INSERT INTO channel (channel_id) VALUES ('all of it')"
    proxy.cut_after(len(statement) + 6)  # with the message's head of five bytes and its closing zero: all of it
    with pytest.raises(GONE):
        await connection.execute(statement)
    await _until(lambda: behind(plain_database) == 1)


async def test_a_commit_whose_answer_is_lost(proxy: DatabaseProxy, plain_database: Database) -> None:
    connection = await client(proxy)
    cut = proxy.cut_answer_to(b"COMMIT")
    await connection.execute("BEGIN")
    await connection.execute(INSERT, "committed")
    assert not cut.is_set()
    with pytest.raises(GONE):
        await connection.execute("COMMIT")
    assert cut.is_set()
    assert behind(plain_database) == 1


async def test_hangs_and_breaks_what_hung(proxy: DatabaseProxy, plain_database: Database) -> None:
    idle, busy = await client(proxy), await client(proxy)
    proxy.hang(True)
    waiting = asyncio.create_task(busy.execute(INSERT, "lost"))
    with pytest.raises(TimeoutError):
        await client(proxy, timeout=0.3)  # accepted, and never answered
    assert not waiting.done()
    proxy.hang(False)
    with pytest.raises(GONE):
        await waiting
    assert behind(plain_database) == 0
    assert await idle.fetchval(CHANNELS) == 0  # nothing of this one was lost
    await idle.close()


async def test_delays_each_piece(proxy: DatabaseProxy) -> None:
    connection = await client(proxy)
    proxy.delay = 0.2
    begun = time.monotonic()
    await connection.execute("SELECT 1")
    assert time.monotonic() - begun >= 0.2
    proxy.delay = 0.0
    await connection.close()


async def test_a_server_that_is_not_there(plain_database: Database) -> None:
    async with DatabaseProxy({**plain_database.parameters, "port": "1"}) as proxy:
        with pytest.raises(GONE):
            await client(proxy)


async def _until(done: Any) -> None:
    give_up = time.monotonic() + 20
    while not done():
        assert time.monotonic() < give_up
        await asyncio.sleep(0.02)
