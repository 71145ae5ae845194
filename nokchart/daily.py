"""The nightly job's clock: waits, and runs a command each day and every few minutes, in a process of its own.

For months this is the only one of the two that is there, so it imports nothing but the standard library: 17 MB.
It trusts no clock for longer than a second: the wall clock may be set, and a laptop may sleep through the hour.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from datetime import time as clock_time
from types import FrameType

from store.event import KST

_TICK_SEC = 1.0

# A container is killed ten seconds after it was asked to stop.
_PATIENCE_SEC = 5.0

# No run takes so long but one that waits for a database that will never answer; what a stopped one has made stays.
_LIMIT_SEC = 6 * 3600.0


def slot(at: clock_time, now: datetime) -> datetime:
    """The last moment up to `now` at which the clock in Korea showed `at`: one a day, the same until the next."""
    today = datetime.combine(now.astimezone(KST).date(), at, KST)
    return today if today <= now else today - timedelta(days=1)


class Daily:
    """Runs a command at once, each day at `at` in Korea, and `every_sec` after its last end: never two at once."""

    def __init__(self, at: clock_time, every_sec: float | None, command: Sequence[str]) -> None:
        self._at = at
        self._every_sec = every_sec
        self._command = list(command)
        self._child: subprocess.Popen[bytes] | None = None
        self.stopped_by: int | None = None

    def run(self) -> int:
        """Runs until SIGTERM or SIGINT. Returns the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        while self.stopped_by is None:
            # Read before the run: an hour that comes while it runs is another one's.
            done = slot(self._at, datetime.now(UTC))
            self._run_once()
            ended_at = time.monotonic()
            while self.stopped_by is None and not self._is_time(done, ended_at):
                time.sleep(_TICK_SEC)
        return 0 if self.stopped_by == signal.SIGTERM else 130

    def _is_time(self, done: datetime, ended_at: float) -> bool:
        # Not "later than": a clock that was ahead, and is set right, must not make us wait until it is there again.
        if slot(self._at, datetime.now(UTC)) != done:
            return True
        return self._every_sec is not None and time.monotonic() - ended_at >= self._every_sec

    def _run_once(self) -> None:
        again = "tomorrow" if self._every_sec is None else f"in {self._every_sec / 60:g} minutes"
        try:
            # In a session of its own: a Ctrl-C in the terminal is for us to handle.
            self._child = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, start_new_session=True)
        except OSError as error:
            _say(f"the run could not begin ({error.strerror}); again {again}.")
            return
        limit = time.monotonic() + _LIMIT_SEC
        code = self._wait(lambda: self.stopped_by is not None or time.monotonic() > limit)
        if code is None:
            self._end(self._child)
            if self.stopped_by is None:
                _say(f"the run was stopped after {_LIMIT_SEC / 3600:g} hours; what is left is made {again}.")
        elif self.stopped_by is None and code < 0:
            _say(f"the run was killed by signal {-code}; what is left is made {again}.")
        elif self.stopped_by is None and code > 0:
            _say(f"the run ended with exit code {code}; what is left is made {again}.")
        self._child = None

    def _end(self, child: subprocess.Popen[bytes]) -> None:
        child.terminate()
        deadline = time.monotonic() + _PATIENCE_SEC
        if self._wait(lambda: time.monotonic() > deadline) is None:
            child.kill()
            child.wait()

    def _wait(self, enough: Callable[[], bool]) -> int | None:
        """The child's exit code; None where it was `enough` before."""
        assert self._child is not None
        while not enough():
            try:
                return self._child.wait(_TICK_SEC)
            except subprocess.TimeoutExpired:
                continue
        return self._child.poll()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self.stopped_by is not None and self._child is not None:
            self._child.kill()  # asked twice
        self.stopped_by = number


def _say(message: str) -> None:
    print(f"nokchart: {message}", file=sys.stderr, flush=True)  # noqa: T201 - there is no typer here


def main(arguments: Sequence[str]) -> int:
    """`python -m nokchart.daily HH:MM MINUTES COMMAND..`; 0 minutes: only each day."""
    hour, minutes, *command = arguments
    every_sec = float(minutes) * 60 or None
    return Daily(clock_time.fromisoformat(hour), every_sec, command).run()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
