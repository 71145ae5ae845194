"""Threads that nobody waits for at the end, and that never wait for one another.

asyncio's own pool has few threads and joins them when the loop ends. A name server or a database that hangs would hold
up the stop, and until then what is written to the spool.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class DaemonThreads(ThreadPoolExecutor):
    """Each call has a thread of its own. For `loop.set_default_executor`, which takes only this kind of executor."""

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> "Future[R]":
        """Begins the call."""
        future: Future[R] = Future()

        def call() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # who waits for the call gets it
                future.set_exception(error)
            else:
                future.set_result(result)

        threading.Thread(target=call, daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, **options: Any) -> None:
        """What still runs ends with the process."""
