"""The WebAssembly TimescaleDB can stand in for a real one: drivers, COPY, aggregates, two clients at once."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import psycopg
import pytest
import sqlalchemy

from tests.timescale import server
from tests.timescale.server import WasmTimescale, timescale, unavailable_reason

START = datetime(2026, 1, 1, tzinfo=UTC)
EVENTS = [(START + timedelta(seconds=n), n % 3, f"채팅 {n}") for n in range(1000)]


@pytest.fixture(scope="module")
def wasm() -> Iterator[WasmTimescale]:
    if reason := unavailable_reason():
        pytest.skip(reason)
    with WasmTimescale() as running:
        yield running


@pytest.fixture
def dsn(wasm: WasmTimescale) -> str:
    wasm.reset()
    return wasm.dsn


@pytest.fixture
def event(dsn: str) -> str:
    """The DSN of a database with the hypertable `event`."""
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE event (ts timestamptz NOT NULL, kind int, content text)")
        connection.execute("SELECT create_hypertable('event', 'ts')")
    return dsn


def count(dsn: str) -> int:
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT count(*) FROM event").fetchone()
    assert row is not None
    return int(row[0])


# -- drivers ---------------------------------------------------------------------------------------------------------


async def test_asyncpg(event: str) -> None:
    connection = await asyncpg.connect(event)
    await connection.executemany("INSERT INTO event VALUES ($1, $2, $3)", EVENTS)
    assert await connection.fetchval("SELECT count(*) FROM event WHERE kind = $1", 1) == 333
    async with connection.transaction():
        cursor = connection.cursor("SELECT content FROM event ORDER BY ts", prefetch=100)
        assert [row["content"] async for row in cursor] == [content for _, _, content in EVENTS]
    with pytest.raises(asyncpg.UndefinedTableError, match="nowhere"):
        await connection.execute("SELECT * FROM nowhere")
    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()


async def test_asyncpg_pool_gives_connections_back(event: str) -> None:
    async with asyncpg.create_pool(event, min_size=2, max_size=4, server_settings={"application_name": "pool"}) as pool:

        async def work(number: int) -> str:
            async with pool.acquire() as connection, connection.transaction():
                await connection.execute("INSERT INTO event VALUES ($1, $2, 'x')", START, number)
                await connection.execute(f"SET statement_timeout TO {number + 1000}")
                return str(await connection.fetchval("SELECT current_setting('application_name')"))

        assert set(await asyncio.gather(*(work(number) for number in range(20)))) == {"pool"}
        async with pool.acquire() as connection:
            assert await connection.fetchval("SHOW statement_timeout") == "0"
            assert await connection.fetchval("SHOW search_path") == '"$user", public'
    assert count(event) == 20


def test_psycopg(event: str) -> None:
    with psycopg.connect(event) as connection:
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO event VALUES (%s, %s, %s)", EVENTS)
        with connection.pipeline(), connection.cursor() as cursor:
            for _ in range(500):
                cursor.execute("SELECT count(*) FROM event")
        with connection.cursor("far") as cursor:
            cursor.itersize = 100
            assert sum(1 for _ in cursor.execute("SELECT * FROM event")) == 1000
        with pytest.raises(psycopg.errors.DivisionByZero):
            connection.execute("SELECT 1 / 0")
        connection.rollback()
    assert count(event) == 0


def test_psycopg_prepares_and_deallocates(event: str) -> None:
    questions = [f"SELECT count(*), {n} FROM event WHERE kind = %s" for n in range(5)]  # noqa: S608
    with (
        psycopg.connect(event, prepare_threshold=1, autocommit=True) as one,
        psycopg.connect(event, prepare_threshold=1, autocommit=True) as two,
    ):
        two.prepared_max = 2
        for number in range(20):
            for connection in (one, two):
                connection.execute("INSERT INTO event VALUES (%s, %s, 'x')", (START, number))
                connection.execute(questions[number % 5].encode(), (number,))
            if number % 4 == 3:
                two.execute("BEGIN")
                two.execute("ROLLBACK")  # psycopg forgets all it has prepared, and says so to the server
        one.execute("DEALLOCATE ALL")
        two.execute("SELECT count(*) FROM event WHERE kind = %s", (1,))
    assert count(event) == 40


def test_sqlalchemy(event: str) -> None:
    engine = sqlalchemy.create_engine(event.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        rows = [{"ts": ts, "kind": kind, "content": content} for ts, kind, content in EVENTS]
        connection.execute(sqlalchemy.text("INSERT INTO event VALUES (:ts, :kind, :content)"), rows)
    table = sqlalchemy.Table("event", sqlalchemy.MetaData(), autoload_with=engine)
    with engine.connect() as connection:
        newest = connection.execute(sqlalchemy.select(sqlalchemy.func.max(table.c.ts))).scalar_one()
    engine.dispose()
    assert newest == EVENTS[-1][0]


# -- COPY ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["text", "binary"])
def test_psycopg_copies_in_and_out(event: str, form: str) -> None:
    with psycopg.connect(event) as connection, connection.cursor() as cursor:
        with cursor.copy(f"COPY event FROM STDIN (FORMAT {form})") as copy:
            copy.set_types(["timestamptz", "int4", "text"])
            for row in EVENTS:
                copy.write_row(row)
        assert cursor.rowcount == 1000
        with cursor.copy(f"COPY (SELECT * FROM event ORDER BY ts) TO STDOUT (FORMAT {form})") as copy:  # noqa: S608
            copy.set_types(["timestamptz", "int4", "text"])
            assert list(copy.rows()) == EVENTS


async def test_asyncpg_copies_in_and_out(event: str, tmp_path: Path) -> None:
    connection = await asyncpg.connect(event)
    assert await connection.copy_records_to_table("event", records=EVENTS) == "COPY 1000"
    file = tmp_path / "event.csv"
    await connection.copy_from_query("SELECT * FROM event ORDER BY ts", output=str(file), format="csv")
    assert len(file.read_text().splitlines()) == 1000
    assert await connection.copy_to_table("event", source=str(file), format="csv") == "COPY 1000"
    await connection.close()
    assert count(event) == 2000


def test_a_large_copy(event: str) -> None:
    with psycopg.connect(event) as connection, connection.cursor() as cursor:
        with cursor.copy("COPY event FROM STDIN") as copy:
            for number in range(100_000):
                copy.write_row((START + timedelta(milliseconds=number), 1, f"ㅋㅋㅋㅋ {number}"))
        assert cursor.rowcount == 100_000


def give_up_copying(connection: psycopg.Connection) -> None:
    with connection.cursor() as cursor, cursor.copy("COPY event FROM STDIN") as copy:
        copy.write_row(EVENTS[0])
        raise ValueError("changed my mind")  # psycopg tells the server, which then ends the COPY


def test_a_copy_that_fails(event: str) -> None:
    with psycopg.connect(event) as connection:
        with (
            pytest.raises(psycopg.errors.UndefinedTable),
            connection.cursor() as cursor,
            cursor.copy("COPY nowhere FROM STDIN") as copy,
        ):
            copy.write_row((1,))
        connection.rollback()
        with pytest.raises(ValueError, match="changed my mind"):
            give_up_copying(connection)
        connection.rollback()
    assert count(event) == 0


# -- TimescaleDB -----------------------------------------------------------------------------------------------------


def test_real_time_continuous_aggregate(event: str) -> None:
    with psycopg.connect(event, autocommit=True) as connection:
        connection.execute("""
            CREATE MATERIALIZED VIEW per_minute WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
            SELECT time_bucket('1 minute', ts) AS bucket, count(*) AS events FROM event GROUP BY 1 WITH NO DATA
        """)
        insert = "INSERT INTO event SELECT %s + n * interval '1 second', 1, 'x' FROM generate_series(0, 119) n"
        connection.execute(insert, (START,))
        connection.execute("CALL refresh_continuous_aggregate('per_minute', NULL, %s)", (START + timedelta(hours=1),))
        connection.execute(insert, (START + timedelta(days=1),))
        rows = connection.execute("SELECT events FROM per_minute ORDER BY bucket").fetchall()
        assert rows == [(60,)] * 4, "two minutes are materialized, two are not"
        connection.execute("SELECT add_continuous_aggregate_policy('per_minute', NULL, '1 hour', '1 hour')")
        connection.execute("ALTER TABLE event SET (timescaledb.compress, timescaledb.compress_segmentby = 'kind')")
        assert connection.execute("SELECT count(compress_chunk(c)) FROM show_chunks('event') c").fetchone() == (1,)
    assert count(event) == 240


# -- several clients -------------------------------------------------------------------------------------------------


async def test_two_clients_take_turns(event: str) -> None:
    one, two = await asyncpg.connect(event), await asyncpg.connect(event)
    async with one.transaction():
        await one.execute("INSERT INTO event VALUES ($1, 1, 'x')", START)
        waiting = asyncio.create_task(two.fetchval("SELECT count(*) FROM event"))
        assert not (await asyncio.wait([waiting], timeout=0.2))[0]
    assert await waiting == 1
    await one.close()
    await two.close()


def test_settings_stay_with_their_client(dsn: str) -> None:
    def timezone(connection: psycopg.Connection) -> str:
        return str(connection.execute("SELECT current_setting('timezone')").fetchone()[0])  # type: ignore[index]

    korea = psycopg.connect(dsn, options="-c timezone=Asia/Seoul", autocommit=True)
    plain = psycopg.connect(dsn, autocommit=True)
    with korea, plain:
        assert (timezone(korea), timezone(plain)) == ("Asia/Seoul", "UTC")
        plain.execute("SET TIME ZONE 'Asia/Tokyo'")
        assert (timezone(korea), timezone(plain)) == ("Asia/Seoul", "Asia/Tokyo")
        with pytest.raises(psycopg.errors.InvalidParameterValue):
            plain.execute("SET timezone TO 'Nowhere/Land'")
        assert (timezone(korea), timezone(plain)) == ("Asia/Seoul", "Asia/Tokyo")
        with plain.transaction():
            plain.execute("SET timezone TO 'Asia/Manila'")
            assert timezone(plain) == "Asia/Manila"
            raise psycopg.Rollback
        assert (timezone(korea), timezone(plain)) == ("Asia/Seoul", "Asia/Tokyo")
        korea.execute("RESET ALL")
        plain.execute("RESET timezone")
        assert (timezone(korea), timezone(plain)) == ("Asia/Seoul", "UTC")


def test_a_read_only_role_is_enforced(event: str) -> None:
    with psycopg.connect(event) as connection:
        connection.execute("CREATE ROLE reader LOGIN; GRANT SELECT ON event TO reader")
    with psycopg.connect(event.replace("postgres@", "reader@"), autocommit=True) as reader:
        assert reader.execute("SELECT current_user, count(*) FROM event").fetchone() == ("reader", 0)
        with psycopg.connect(event) as other:
            assert other.execute("SELECT current_user").fetchone() == ("postgres",)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("DELETE FROM event")


async def test_notify_reaches_the_listener(dsn: str) -> None:
    heard: asyncio.Queue[object] = asyncio.Queue()
    listener, speaker = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    await listener.add_listener("news", lambda *message: heard.put_nowait(message[-1]))
    await speaker.reset()  # UNLISTEN * of one client is not meant for another
    await speaker.execute("SELECT pg_notify('news', '안녕')")
    assert await asyncio.wait_for(heard.get(), 5) == "안녕"
    await listener.close()
    await speaker.close()


def test_a_client_that_vanishes_in_mid_transaction(event: str) -> None:
    vanish = """
import os, sys, psycopg
connection = psycopg.connect(sys.argv[1])
connection.execute("INSERT INTO event VALUES (now(), 1, 'x')")
if sys.argv[2] == "copying":
    copy = connection.cursor().copy("COPY event FROM STDIN")
    copy.__enter__().write_row(("2026-01-01", 1, "x"))
os._exit(0)
"""
    for when in ("idle", "copying"):
        subprocess.run([sys.executable, "-c", vanish, event, when], check=True)
        assert count(event) == 0


async def test_a_client_that_is_cut_off(event: str) -> None:
    connection = await asyncpg.connect(event)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("INSERT INTO event VALUES (now(), 1, 'x')")
    connection.terminate()
    assert await asyncio.to_thread(count, event) == 0


# -- the server itself -----------------------------------------------------------------------------------------------


def test_reset_leaves_nothing(wasm: WasmTimescale) -> None:
    everything = (
        "SELECT (SELECT count(*) FROM pg_class), (SELECT count(*) FROM pg_type), (SELECT count(*) FROM pg_proc)"
    )
    everything += ", (SELECT count(*) FROM pg_roles), (SELECT count(*) FROM timescaledb_information.jobs)"
    wasm.reset()
    with psycopg.connect(wasm.dsn, autocommit=True) as connection:
        before = connection.execute(everything).fetchone()
        for statement in (
            "CREATE TABLE event (ts timestamptz NOT NULL, n int GENERATED ALWAYS AS IDENTITY, m serial)",
            "SELECT create_hypertable('event', 'ts')",
            "INSERT INTO event SELECT now() - n * interval '1 hour' FROM generate_series(1, 1000) n",
            """CREATE MATERIALIZED VIEW hourly WITH (timescaledb.continuous) AS
            SELECT time_bucket('1 hour', ts) AS hour, count(*) AS n FROM event GROUP BY 1 WITH NO DATA""",
            """CREATE MATERIALIZED VIEW daily WITH (timescaledb.continuous) AS
            SELECT time_bucket('1 day', hour) AS day, sum(n) AS n FROM hourly GROUP BY 1 WITH NO DATA""",
            "CALL refresh_continuous_aggregate('hourly', NULL, NULL)",
            "SELECT add_continuous_aggregate_policy('hourly', NULL, '1 hour', '1 hour')",
            "ALTER TABLE event SET (timescaledb.compress)",
            "SELECT compress_chunk(c) FROM show_chunks('event') c",
            "SELECT add_retention_policy('event', INTERVAL '400 days')",
            "CREATE TYPE mood AS ENUM ('good')",
            "CREATE DOMAIN won AS bigint CHECK (value >= 0)",
            "CREATE FUNCTION price(mood) RETURNS won LANGUAGE sql AS 'SELECT 1::public.won'",
            "CREATE PROCEDURE job(job_id int, config jsonb) LANGUAGE sql AS 'SELECT 1'",
            "SELECT add_job('job', '1 hour')",
            "CREATE VIEW overview AS SELECT daily.*, price('good') FROM daily",
            "CREATE MATERIALIZED VIEW plain AS SELECT * FROM overview",
            'CREATE SCHEMA "Other"; CREATE TABLE "Other".x ()',
            "CREATE ROLE reader; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader",
            "ALTER DATABASE template1 SET timezone TO 'Asia/Seoul'",
        ):
            connection.execute(statement.encode())
    for _ in range(2):
        wasm.reset()
        with psycopg.connect(wasm.dsn) as connection:
            assert connection.execute(everything).fetchone() == before
            assert connection.execute("SELECT count(*) FROM _timescaledb_catalog.hypertable").fetchone() == (0,)


def test_reset_brings_a_dead_server_back(wasm: WasmTimescale) -> None:
    assert wasm._process is not None
    wasm._process.kill()
    wasm._process.wait()
    before = wasm.dsn
    wasm.reset()
    assert wasm.dsn == before
    with psycopg.connect(wasm.dsn) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_it_ends_with_its_parent(wasm: WasmTimescale) -> None:
    script = """
import os
from tests.timescale.server import WasmTimescale
server = WasmTimescale()
server.start()
print(server.dsn, flush=True)
os._exit(1)
"""
    root = Path(__file__).parents[2]
    parent = subprocess.run([sys.executable, "-c", script], cwd=root, stdout=subprocess.PIPE, text=True)
    answers = True
    deadline = time.monotonic() + 10
    while answers and time.monotonic() < deadline:
        try:
            psycopg.connect(parent.stdout.strip()).close()
        except psycopg.OperationalError:
            answers = False
    assert not answers


def test_the_named_server_comes_first(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOKCHART_TEST_TIMESCALE_DSN", dsn)
    with timescale() as found:
        assert found == dsn


def test_without_docker_it_is_this_one(wasm: WasmTimescale, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOKCHART_TEST_TIMESCALE_DSN", raising=False)
    monkeypatch.setattr(server, "_container", lambda stack: None)
    with timescale() as found, psycopg.connect(found) as connection:
        assert connection.execute("SELECT extname FROM pg_extension WHERE extname = 'timescaledb'").fetchone()


def test_no_node_is_a_reason_to_skip_but_not_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_installation_problem", server._installation_problem.__wrapped__)
    monkeypatch.setenv("PATH", os.devnull)
    monkeypatch.delenv("CI", raising=False)
    assert "Node is not installed" in (unavailable_reason() or "")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(RuntimeError, match=r"must not be skipped in CI: Node is not installed"):
        unavailable_reason()


def test_the_lock_file_pins_the_hash_and_names_no_registry() -> None:
    lock = (Path(server.__file__).parent / "package-lock.json").read_text()
    assert "sha512-TJEnodH7HQiyX/k+HxPmLz6ZGU9ot1hUzNCZRJNlzp/et586yqZcA8M1zOkIPuXP0wNW4M+8E3VLa/9t/YhyEQ==" in lock
    assert "http" not in lock
    assert "registry" not in lock
