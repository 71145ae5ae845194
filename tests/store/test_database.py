"""Reaching the database: what is said when that fails names the place, and never the password."""

import asyncio
import contextlib
import ssl
from pathlib import Path

import asyncpg
import psycopg
import pytest

from store.database import AddressError, Database, DatabaseUnavailable, is_configured, open_database, place_name


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:s3cret@127.0.0.1:1/nokchart",
        "host=127.0.0.1 port=1 user=user password=s3cret",
        "postgresql://user:s3cret@nowhere.invalid/nokchart",
        # Passwords that were not escaped, and what libpq takes them for.
        "postgresql://user:p@s3cret@127.0.0.1:1/nokchart",
        "postgresql://user:s3cret/x@127.0.0.1:1/nokchart",
        "postgresql://user:x/s3cret@127.0.0.1:1/nokchart",
        "postgresql://user:x?s3cret@127.0.0.1:1/nokchart",
        "postgresql://user:x#s3cret@127.0.0.1:1/nokchart",
        "postgresql://user:s3cret%@127.0.0.1:1/nokchart",
        "postgres:/user:s3cret@127.0.0.1/nokchart",
        "mysql://user:s3cret@127.0.0.1/nokchart",
        "password=s3cret oops=1",
        "s3cret",
    ],
)
def test_a_database_that_cannot_be_reached_is_one_sentence_without_secrets(url: str, tmp_path: Path) -> None:
    with pytest.raises((DatabaseUnavailable, AddressError)) as caught:
        open_database(url, tmp_path).__enter__()
    message = str(caught.value)
    assert "s3cret" not in message
    assert "\n" not in message
    assert "database" in message


def test_a_place_is_named_whoever_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOST", "PGHOSTADDR", "PGSERVICE", "PGDATABASE", "PGPORT"):
        monkeypatch.delenv(name, raising=False)
    assert (is_configured(None), place_name(None)) == (False, "embedded")
    one = place_name("postgresql://writer:a@db:5432/chat")
    assert one == place_name("host=db port=5432 dbname=chat user=owner password=b")
    assert one != place_name("postgresql://writer:a@db:5432/other")
    assert one.isalnum()
    monkeypatch.setenv("PGHOST", "db")
    monkeypatch.setenv("PGPORT", "5432")
    assert place_name("dbname=chat") == one


def _run(database: Database, home: Path, statement: str) -> None:
    with open_database(database.url, home) as opened, opened.connect() as connection:
        connection.execute(statement.encode())


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("SELECT pg_terminate_backend(pg_backend_pid())", "The database went away"),
        ("DO $$ BEGIN RAISE disk_full; END $$", "no room left on its disk"),
    ],
)
def test_a_server_that_fails_us_later_is_one_sentence(
    plain_database: Database, tmp_path: Path, statement: str, message: str
) -> None:
    with pytest.raises(DatabaseUnavailable, match=message) as caught:
        _run(plain_database, tmp_path, statement)
    assert "\n" not in str(caught.value)


def test_our_own_mistakes_stay_loud(plain_database: Database, tmp_path: Path) -> None:
    with pytest.raises(psycopg.errors.UndefinedTable):
        _run(plain_database, tmp_path, "SELECT * FROM no_such_table")


async def test_the_pool_reaches_the_same_database(plain_database: Database) -> None:
    async with plain_database.pool() as pool:
        assert await pool.fetchval("SELECT current_database()") == plain_database.parameters["dbname"]


_CERTIFICATE = Path(__file__).parents[2] / "simulator" / "tls" / "certificate.pem"


async def _offer_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, secured: list[bool]) -> None:
    """A server's answer to a request for TLS, as far as the handshake."""
    await reader.readexactly(8)
    writer.write(b"S")
    await writer.drain()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_CERTIFICATE, _CERTIFICATE.with_name("key.pem"))
    with contextlib.suppress(OSError, ssl.SSLError, asyncio.IncompleteReadError):
        await writer.start_tls(context)
        await reader.readexactly(4)  # the startup message comes only when the client trusts us
        secured.append(True)
    writer.close()


@pytest.mark.parametrize(
    ("more", "trusted"),
    [
        ({"sslmode": "verify-full", "sslrootcert": str(_CERTIFICATE)}, True),
        ({"sslmode": "verify-full", "sslrootcert": "system"}, False),
        ({"sslmode": "require"}, True),
    ],
)
async def test_the_pool_checks_the_server_as_the_address_says(more: dict[str, str], trusted: bool) -> None:
    secured: list[bool] = []
    server = await asyncio.start_server(lambda r, w: _offer_tls(r, w, secured), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        parameters = {"host": "localhost", "port": str(port), "user": "u", "password": "p", "dbname": "d", **more}
        with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)) as caught:
            await Database(parameters, "postgresql").pool()
        assert (not isinstance(caught.value, ssl.SSLCertVerificationError)) is trusted
    assert bool(secured) is trusted
