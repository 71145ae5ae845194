"""The one base of every error that NokChart raises on purpose, and how any error is told where nobody may be quoted."""

import inspect


class NokchartError(Exception):
    """NokChart could not go on."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or inspect.cleandoc(type(self).__doc__ or ""))


def cause_of(error: BaseException) -> str:
    """An error for the log, in one line: its type, and what is certain to be nobody's words.

    What a server or a library says of an error may quote chat, a name or a token.
    """
    kind = type(error).__name__
    if isinstance(error, NokchartError):
        return " ".join(str(error).split())
    if isinstance(error, OSError):
        return f"{kind}: {error.strerror}" if error.strerror else kind
    sqlstate = getattr(error, "sqlstate", None)  # of asyncpg's errors, and psycopg's
    return f"{kind}, SQLSTATE {sqlstate}" if sqlstate else kind
