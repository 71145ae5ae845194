"""The collector's log: one line a change of state on stderr, readable in a terminal, JSON elsewhere.

It says which broadcast and how many, never what was said or by whom. So nothing is printed whose text somebody else
decides: an exception's message, and the values that a library puts into its own, may quote chat, a name or a token.
"""

import logging
import sys
import traceback
from pathlib import Path
from typing import Any

import structlog

# The calls that led to an error, the last of them: enough to find the place.
_CALLS = 5


def set_up_log(*, quiet: bool = False) -> None:
    """Sets the log up for this process, that of libraries included; `quiet` leaves only errors."""
    renderer: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer()
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _without_words,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR if quiet else logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(level=logging.WARNING, handlers=[LibraryHandler()])


class LibraryHandler(logging.Handler):
    """Puts what a library logs (asyncio, aiohttp, asyncpg) into our log, as one line and without its values."""

    def emit(self, record: logging.LogRecord) -> None:
        """The first line of the message as it stands in the source: what would be filled in may be somebody's words."""
        log = structlog.get_logger(record.name)
        say = log.error if record.levelno >= logging.ERROR else log.warning
        event = (str(record.msg).splitlines() or ["?"])[0]
        say(event, logger=record.name, **({"exc_info": record.exc_info} if record.exc_info else {}))


def _without_words(logger: Any, method: str, line: structlog.types.EventDict) -> structlog.types.EventDict:
    """Of an exception its type and its place, instead of a traceback with its message and its variables."""
    given = line.pop("exc_info", None)
    given = sys.exc_info() if given is True else given
    error = given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        calls = traceback.extract_tb(error.__traceback__)[-_CALLS:]
        line["error"] = type(error).__name__
        line["calls"] = [f"{Path(call.filename).name}:{call.lineno} {call.name}" for call in calls]
    return line
