"""What every command shares: one sentence and exit code 2 for what went wrong."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import typer

from store.errors import NokchartError

P = ParamSpec("P")
R = TypeVar("R")


# SQLSTATE of a function, column or table that is not there. Who only reads does not migrate, and so may be newer.
_NOT_OF_THIS_VERSION = {"42883", "42703", "42P01"}


def one_sentence(command: Callable[P, R]) -> Callable[P, R]:
    """A command that ends with one sentence on stderr and exit code 2, and no traceback, where the user can help it."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except NokchartError as error:
            complain(str(error))
        except BrokenPipeError:
            raise  # `| head` has seen enough: click ends quietly
        except OSError as error:
            what = error.strerror or type(error).__name__
            complain(f"{error.filename}: {what}." if error.filename else f"{what}.")
        except Exception as error:
            # Not by its type: who needs no database should not wait for its driver to be imported.
            if getattr(error, "sqlstate", None) not in _NOT_OF_THIS_VERSION:
                raise
            complain("The database's tables and views are not those of this NokChart: run `nokchart db migrate`.")
        raise typer.Exit(2)

    return wrapped


def complain(message: str) -> None:
    """One line on stderr."""
    typer.echo(f"nokchart: {message}", err=True)


def tell(notes: Any, strict: bool) -> None:
    """Says what was wrong with an input; with `strict`, exit code 1 where some of it could not be used."""
    if warn(notes) and strict:
        raise typer.Exit(1)


def warn(notes: Any, of: Path | None = None) -> bool:
    """Says on stderr what was wrong with an input. Returns whether some of it could not be used."""
    for note in notes.named:
        complain(note if of is None else f"{of}, {note}")
    unnamed = notes.broken + notes.ignored_fields - len(notes.named)
    if unnamed > 0:
        complain(f"and {unnamed} more")
    counts = {
        "broken lines left out": notes.broken,
        "unreadable fields left out": notes.ignored_fields,
        "repeated events used once": notes.repeated,
        "lines put in order": notes.out_of_order,
    }
    said = [f"{count} {what}" for what, count in counts.items() if count]
    if said:
        complain(f"{notes.used - notes.repeated} events used; {', '.join(said)}.")
    return bool(notes.broken or notes.ignored_fields)
