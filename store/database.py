"""Where the rows are: a server that was configured, or the embedded one, behind one door."""

import hashlib
import os
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import asyncpg
import psycopg
from psycopg import conninfo, sql

from store.embedded import EmbeddedServer
from store.errors import NokchartError
from store.migrate import Edition, migrate

# Any of these in the environment means that libpq has been told where the server is.
_PLACE = (("service", "PGSERVICE"), ("host", "PGHOST"), ("port", "PGPORT"), ("dbname", "PGDATABASE"))
_LIBPQ_PLACE = ("PGHOST", "PGHOSTADDR", "PGSERVICE", "PGDATABASE")
# What asyncpg reads of a URI as libpq does; of the rest of libpq's parameters it would make settings of the server.
_TLS: tuple[str, ...] = ("sslmode", "sslrootcert", "sslcert", "sslkey", "sslpassword", "sslcrl")
_TLS += ("ssl_min_protocol_version", "ssl_max_protocol_version")


class DatabaseUnavailable(NokchartError):
    """The database cannot be reached."""


class AddressError(NokchartError):
    """The database's address cannot be understood."""


@dataclass(frozen=True)
class Database:
    """A database with NokChart's schema in it."""

    parameters: dict[str, str]
    """libpq connection parameters, complete: what the environment said is in them."""
    edition: Edition

    @property
    def url(self) -> str:
        """A conninfo string that says all of it, password included: for a child's environment, never for a log."""
        return conninfo.make_conninfo("", **self.parameters)

    def connect(self, **options: Any) -> psycopg.Connection[tuple[Any, ...]]:
        """A psycopg connection; `options` go to psycopg.connect. DatabaseUnavailable where there is no answer."""
        return _connect(self.parameters, **options)

    def pool(self, size: int = 2) -> "asyncpg.Pool[asyncpg.Record]":
        """An asyncpg pool of at most `size` connections, to be awaited or entered."""
        known = self.parameters
        return asyncpg.create_pool(
            _tls_address(known),
            ssl=ssl.create_default_context() if known.get("sslrootcert") == "system" else None,
            host=known.get("host") or known.get("hostaddr"),
            port=int(known.get("port", 5432)),
            user=known.get("user"),
            password=known.get("password"),
            database=known.get("dbname"),
            min_size=1,
            max_size=size,
            timeout=10,  # of connecting
            # A statement that takes this long is a server that is gone; the writer tries again.
            command_timeout=60,
            server_settings={"application_name": "nokchart collector", "jit": "off"},
        )


@contextmanager
def open_database(url: str | None, home: Path) -> Iterator[Database]:
    """The database, migrated, for as long as the block runs.

    `url` is a libpq URI or conninfo string; without one libpq's own environment (PGHOST, PGSERVICE, ..) decides, and
    without that the embedded server under `home` is started, shared with other commands, and stopped with the last.

    Raises DatabaseUnavailable, AddressError, EmbeddedServerError or SchemaError, each with one sentence for the user;
    the first also where the server goes away or runs out of room inside the block.
    """
    with explaining_failures():
        if is_configured(url):
            yield reach(url)
        else:
            with EmbeddedServer(home / "postgres") as server:
                yield _prepare(server.dsn())


def is_configured(url: str | None) -> bool:
    """Whether a server is named, by `url` or by libpq's own environment; else the embedded one is meant."""
    return bool(url) or any(os.environ.get(name) for name in _LIBPQ_PLACE)


def reach(url: str | None) -> Database:
    """The configured server's database, migrated. Errors as open_database's."""
    with explaining_failures():
        return _prepare(url or "")


@contextmanager
def reachable(url: str | None, home: Path) -> Iterator[Callable[[], Database]]:
    """For as long as the block runs: a function that gives the database, whenever it is called, or raises what
    open_database does. It starts the embedded server again where that was killed.
    """
    if is_configured(url):
        yield lambda: reach(url)
        return
    with EmbeddedServer(home / "postgres") as server:

        def revive() -> Database:
            server.start()
            with explaining_failures():
                return _prepare(server.dsn())

        yield revive


def place_name(url: str | None) -> str:
    """A name for the configured database, good for a folder: the same for the same place, whoever asks as whom."""
    if not is_configured(url):
        return "embedded"
    parameters = _parameters(url or "")
    place = [
        parameters.get(key) or os.environ.get(variable, "")
        for key, variable in (
            ("service", "PGSERVICE"),
            ("host", "PGHOST"),
            ("port", "PGPORT"),
            ("dbname", "PGDATABASE"),
        )
    ]
    return hashlib.blake2b("\x1f".join(place).encode(), digest_size=6).hexdigest()


@contextmanager
def explaining_failures() -> Iterator[None]:
    """Turns what a server says when it stops or is out of room into DatabaseUnavailable; our own mistakes stay loud."""
    try:
        yield
    except psycopg.errors.DiskFull as error:
        raise DatabaseUnavailable("The database has no room left on its disk: free some space there.") from error
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise DatabaseUnavailable(f"The database went away ({_one_line(error)}): start it, and try again.") from error


@contextmanager
def scratch_database(home: Path, name: str) -> Iterator[Database]:
    """A new database `name` on the embedded server, dropped afterwards: what a demo writes never meets real rows."""
    with EmbeddedServer(home / "postgres") as server:
        drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        with _connect(_parameters(server.dsn()), autocommit=True) as admin:
            admin.execute(drop)
            admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield _prepare(server.dsn(name))
        finally:
            with _connect(_parameters(server.dsn()), autocommit=True) as admin:
                admin.execute(drop)


@contextmanager
def database_beside(database: Database, name: str) -> Iterator[Database]:
    """A new database `name` on the same server, migrated, and dropped afterwards.

    DatabaseUnavailable where the user may not make one.
    """
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    with database.connect(autocommit=True) as admin:
        try:
            admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        except psycopg.errors.InsufficientPrivilege as error:
            raise DatabaseUnavailable(
                f"The database user {admin.info.user} may not make a database to try it in: ask as one with CREATEDB, "
                "or on another machine without a database_url."
            ) from error
    try:
        yield _prepare(conninfo.make_conninfo("", **{**database.parameters, "dbname": name}))
    finally:
        with database.connect(autocommit=True) as admin:
            admin.execute(drop)


def _prepare(url: str) -> Database:
    parameters = _parameters(url)
    with _connect(parameters) as connection:
        # The parameters as libpq resolved them, environment and service file included: asyncpg knows fewer of those.
        resolved = {**parameters, **connection.info.get_parameters(), "port": str(connection.info.port)}
        if connection.info.password:
            resolved["password"] = connection.info.password
        if connection.info.host:
            resolved["host"] = connection.info.host
        edition = migrate(connection)
    return Database(resolved, edition)


def _parameters(url: str) -> dict[str, str]:
    try:
        parameters = {key: str(value) for key, value in conninfo.conninfo_to_dict(url).items()}
        misread = "@" in parameters.get("host", "") or not parameters.get("port", "0").replace(",", "").isdigit()
    except psycopg.ProgrammingError:
        misread = True
    if misread:
        # Not what libpq says of it: that repeats the address, or the part of a password that it took for a host.
        raise AddressError(
            "The database address is not understood: write database_url as postgresql://user:password@host:5432/name, "
            "and each @ : / # ? % of the password as %40 %3A %2F %23 %3F %25."
        )
    return parameters


def _connect(parameters: dict[str, str], **options: Any) -> psycopg.Connection[tuple[Any, ...]]:
    settings: dict[str, Any] = {"connect_timeout": "10", "application_name": "nokchart", **parameters}
    try:
        return psycopg.connect(**settings, **options)
    except psycopg.OperationalError as error:
        where = parameters.get("host") or os.environ.get("PGHOST") or "the default socket"
        raise DatabaseUnavailable(
            f"The database at {where} cannot be reached ({_one_line(error)}): start it, or correct database_url."
        ) from error


def _tls_address(parameters: dict[str, str]) -> str:
    """What `parameters` say of TLS, as the query of a URI without a place; of the certificates, libpq's defaults."""
    said = {key: parameters[key] for key in _TLS if parameters.get(key)}
    if said.get("sslrootcert") == "system":
        del said["sslrootcert"]  # no file: the certificates that the machine trusts
    return "postgresql://?" + urlencode(said, quote_via=quote)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
