"""psql for the database: which program it is, and how it learns the place while nobody sees the password."""

import os
import shutil
from collections.abc import Mapping

from psycopg import pq

from store.cluster import EmbeddedServerError, find_tool
from store.database import Database
from store.errors import NokchartError
from store.roles import READER


class NoTerminal(NokchartError):
    """There is no psql here: install PostgreSQL's client, such as the package postgresql-client."""


def psql_program() -> str:
    """The path of psql: the machine's own, or the embedded server's. NoTerminal where there is neither."""
    if found := shutil.which("psql"):
        return found
    try:
        return str(find_tool("psql"))
    except EmbeddedServerError as error:
        raise NoTerminal from error


def psql_environment(
    database: Database, *, read_only: bool, reader_password: str | None, inherited: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """The environment that leads psql to the database: in it, other than in arguments, no other user sees a password.

    `read_only`: as the reader where its password is known, and in transactions that only read in any case.
    """
    parameters = dict(database.parameters)
    environment = {name: value for name, value in inherited.items() if not name.startswith("PG")}
    if read_only:
        parameters["options"] = f"{parameters.get('options', '')} -c default_transaction_read_only=on".strip()
        if reader_password:
            parameters |= {"user": READER, "password": reader_password}
    for known in pq.Conninfo.get_defaults():
        value = parameters.get(known.keyword.decode())
        if value and known.envvar:
            environment[known.envvar.decode()] = value
    return environment
