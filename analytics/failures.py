"""Of many broadcasts or folders one fails: whether that is its own trouble, and how it is said."""

import traceback
from pathlib import Path

import psycopg

from store.database import DatabaseUnavailable
from store.errors import NokchartError, cause_of

# The server is shut down, does not answer any more, or is out of room: no other one would fare better.
_AWAY_STATES = ("08", "53", "57P")


def sentence_of(name: str, error: Exception) -> str:
    """What to say of one that failed. Raises the error again where it is everybody's: the database is away."""
    if isinstance(error, DatabaseUnavailable | psycopg.InterfaceError):
        raise error
    if isinstance(error, psycopg.OperationalError) and (error.sqlstate or "08").startswith(_AWAY_STATES):
        raise error
    if isinstance(error, NokchartError):
        return f"{name}: {error}"
    # Not what it says, which may quote chat: where it was.
    call = traceback.extract_tb(error.__traceback__)[-1]
    return f"{name}: failed ({cause_of(error)}, at {Path(call.filename).name}:{call.lineno})."
