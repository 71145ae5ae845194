"""What every command shares: one sentence and exit code 2 for what went wrong, and the log."""

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import structlog
import typer

from store.errors import NokchartError

P = ParamSpec("P")
R = TypeVar("R")


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
        raise typer.Exit(2)

    return wrapped


def complain(message: str) -> None:
    """One line on stderr."""
    typer.echo(f"nokchart: {message}", err=True)


def set_up_log(*, quiet: bool = False) -> None:
    """One line per change of state on stderr: for people in a terminal, as JSON in a container."""
    renderer: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer()
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.dict_tracebacks,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(40 if quiet else 20),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
