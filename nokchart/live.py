"""`nokchart live`: the terminal, keys and signals around the picture, and the thread that follows the database."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

import psycopg
from rich.console import Console, Group

from analytics.language import Language
from analytics.live import LiveReader
from analytics.live_view import LiveView
from nokchart.live_view import Picture
from store.database import Database, explaining_failures
from store.errors import NokchartError, cause_of

_GLANCE_SEC = 0.25
"""How soon a key, a new size of the window or a new look is seen."""

_LATE_SEC = 10.0
"""A look that is this much older than it should be is called old: the database hangs."""

Reach = Callable[[], Database]


class NoTerminal(NokchartError):
    """`nokchart live` draws on a terminal: add --once for a picture, or --once --json for a script."""


class _Stop(BaseException):
    """A signal asked for the end."""


class Follower(threading.Thread):
    """Looks again and again, beside the terminal: a database that hangs must not hold up a key."""

    def __init__(self, reach: Reach, reader: LiveReader, interval_sec: float, first: LiveView) -> None:
        super().__init__(name="follower", daemon=True)
        self._reach = reach
        self._reader = reader
        self._interval_sec = interval_sec
        self._end = threading.Event()
        self._seen = first, time.monotonic()
        self._resumed_at = 0.0
        self._problem: str | None = None

    def run(self) -> None:
        """Until `stop`; whatever the database does is shown, and tried again."""
        database: Database | None = None
        while not self._end.wait(self._interval_sec):
            try:
                with explaining_failures():
                    database = database or self._reach()
                    self._seen = self._reader.look(database), time.monotonic()
                self._problem = None
            except (NokchartError, psycopg.Error, OSError) as error:
                database, self._problem = None, cause_of(error)

    def latest(self) -> tuple[LiveView, tuple[str, float] | None]:
        """The newest look; and, where it is an old one, why and how old in seconds."""
        view, seen_at = self._seen
        now = time.monotonic()
        age_sec, awake_sec = now - seen_at, now - max(seen_at, self._resumed_at)
        problem = self._problem
        if problem is None and awake_sec > self._interval_sec + _LATE_SEC:
            problem = "The database does not answer."
        return view, None if problem is None else (problem, age_sec)

    def resume(self) -> None:
        """The program was suspended until now: the database is not to blame for a look that is as old."""
        self._resumed_at = time.monotonic()

    def stop(self) -> None:
        """No further look is begun."""
        self._end.set()
        self.join(timeout=1)


def show(reach: Reach, reader: LiveReader, language: Language, interval_sec: float) -> None:
    """Draws on the terminal until q, Ctrl-C or SIGTERM; Ctrl-Z suspends. Raises NoTerminal where there is none."""
    console = Console()
    if not console.is_terminal or console.is_dumb_terminal:
        raise NoTerminal
    picture = Picture(language, interval_sec)
    with explaining_failures():
        first = reader.look(reach())  # what is wrong from the start is one sentence, and no empty screen
    follower = Follower(reach, reader, interval_sec, first)
    follower.start()
    try:
        with suppress(_Stop, OSError), _signals():
            while _draw(console, picture, follower):
                _suspend()
                follower.resume()
    finally:
        follower.stop()


def _draw(console: Console, picture: Picture, follower: Follower) -> bool:
    """Has the terminal until q, or until Ctrl-Z: then returns True, and the caller has to suspend the program."""
    # What ends or suspends has to find the terminal as it was: first the signals, then the keys, then the screen.
    with _suspending() as suspended, _keys() as key, console.screen() as screen:
        shown: tuple[object, ...] = ()
        while not suspended():
            view, away = follower.latest()
            state = (view.at, away and (away[0], int(away[1])), console.size)
            if state != shown:
                screen.update(Group(*picture.draw(view, console.width, console.height, away)))
                shown = state
            if key() in ("q", "Q"):
                return False
    return True


def show_once(database: Database, reader: LiveReader, language: Language) -> None:
    """Prints one picture, as long as it takes, and without colours where nobody sees them."""
    console = Console()
    with explaining_failures():
        view = reader.look(database)
    for line in Picture(language, 0).draw(view, console.width, None):
        console.print(line, no_wrap=True, overflow="crop", crop=True)


@contextmanager
def _signals() -> Iterator[None]:
    """SIGTERM, SIGINT and SIGHUP raise _Stop, once: a second one must not break off the tidying up."""
    numbers = [signal.SIGTERM, signal.SIGINT, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        for other in numbers:
            signal.signal(other, nothing)  # SIG_IGN would make Python complain of one that came with this one
        raise _Stop

    def nothing(number: int, frame: FrameType | None) -> None: ...

    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _suspending() -> Iterator[Callable[[], bool]]:
    """A function that says whether SIGTSTP (Ctrl-Z) came. Nothing is raised: the same console goes on drawing later."""
    if not hasattr(signal, "SIGTSTP"):  # Windows
        yield lambda: False
        return
    came = False

    def suspend(number: int, frame: FrameType | None) -> None:
        nonlocal came
        came = True

    before = signal.signal(signal.SIGTSTP, suspend)
    try:
        yield lambda: came
    finally:
        signal.signal(signal.SIGTSTP, before)


def _suspend() -> None:
    """Stops the program, as Ctrl-Z does, until it has the terminal again (`fg`): `bg` gives it none."""
    signal.raise_signal(signal.SIGTSTP)
    while _in_background():
        time.sleep(_GLANCE_SEC)  # where nobody is left who would go on with it, the signal stops nothing
        signal.raise_signal(signal.SIGTSTP)


def _in_background() -> bool:
    try:
        return os.tcgetpgrp(sys.stdout.fileno()) != os.getpgrp()
    except OSError:  # no terminal any more: the next picture will tell
        return False


@contextmanager
def _keys() -> Iterator[Callable[[], str]]:
    """A function that waits a moment for a key and returns it, or ''. The terminal echoes none meanwhile."""
    try:
        import termios
        import tty

        keyboard = sys.stdin.fileno()
        before = termios.tcgetattr(keyboard)
    except (ImportError, OSError, ValueError):  # Windows, or no keyboard at all: signals are enough
        yield _no_key
        return
    except termios.error:
        yield _no_key
        return

    def key() -> str:
        ready, _, _ = select.select([keyboard], [], [], _GLANCE_SEC)
        if not ready:
            return ""
        pressed = os.read(keyboard, 64)
        if not pressed:
            raise _Stop  # the terminal is gone
        return "q" if pressed in (b"q", b"Q", "ㅂ".encode()) else ""  # ㅂ is the same key on a Korean keyboard

    tty.setcbreak(keyboard)
    try:
        yield key
    finally:
        termios.tcsetattr(keyboard, termios.TCSAFLUSH, before)


def _no_key() -> str:
    time.sleep(_GLANCE_SEC)
    return ""
