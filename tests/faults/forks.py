"""A command started fifty times without the second that Python takes to import it: a process that has done so forks.

    python -m tests.faults.forks watch --channels channels.yaml

runs `nokchart watch` in a new process for each line on stdin, one after the other; says its id, and then that it ended.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tests.faults.command import PATIENCE_SEC, ROOT, Place


class Fork:
    """A process that watches."""

    def __init__(self, pid: int, forks: asyncio.subprocess.Process) -> None:
        self._pid = pid
        self._forks = forks
        self._gone = False

    async def ended(self, number: signal.Signals) -> None:
        """Sends the signal, and returns once the process is gone."""
        self.signal(number)
        async with asyncio.timeout(PATIENCE_SEC):
            await _line(self._forks)
        self._gone = True

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal, unless the process is known to be gone."""
        if not self._gone:
            with suppress(ProcessLookupError):
                os.kill(self._pid, number)


class Forks:
    """Starts the processes; one at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.last: Fork | None = None
        """The newest."""
        self._process = process

    async def start(self) -> Fork:
        """A new process, which begins where the imports end."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        self.last = Fork(int(await _line(self._process)), self._process)
        return self.last


@asynccontextmanager
async def forking(where: Place) -> AsyncIterator[Forks]:
    """What starts processes at a place, until the block ends; the last of them is killed then if it still lives."""
    with where.log.open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.faults.forks", *where.arguments),
            env=where.environment,
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    forks = Forks(process)
    try:
        yield forks
    finally:
        if forks.last is not None:
            forks.last.signal(signal.SIGKILL)
        process.kill()
        await process.communicate()


async def _line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode()


def main() -> None:
    """What runs in the process that forks."""
    # What the command imports when it runs.
    import nokchart.collecting
    import nokchart.log  # noqa: F401
    import store.database  # noqa: F401
    from nokchart.cli import app

    while sys.stdin.readline():
        pid = os.fork()
        if pid == 0:
            app(sys.argv[1:])
        print(pid, flush=True)
        os.waitpid(pid, 0)
        print("ended", flush=True)


if __name__ == "__main__":
    main()
