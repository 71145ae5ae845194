"""When each row became visible to somebody else, from the snapshots that a second connection was given meanwhile.

A row is there for others from the first snapshot in which its transaction is complete. So nothing has to look into the
table while the collector works: a connection of its own asks for its snapshot fifty times a second, and afterwards each
row's transaction (xmin) is found in them. What that adds is at most the time between two snapshots.
"""

import threading
import time
from bisect import bisect_right
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from store.database import Database

_EVERY_SEC = 0.02

# Of messages only: a channel event's time is the collector's own. A message that was hidden since is another version of
# its row, with a later transaction.
_ROWS = """
SELECT (extract(epoch FROM ts) * 1000)::bigint, xmin::text::bigint
FROM event WHERE user_id IS NOT NULL AND NOT hidden
"""


class Sightings:
    """Takes snapshots for as long as the block runs."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._at_ms: list[float] = []
        self._ends: list[int] = []  # xmax of each: the first transaction that is not in it
        self._running: list[frozenset[int]] = []
        self._done = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="sightings", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()
        if self._error is not None and error is None:
            raise self._error

    def delays(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Of every message: when it became visible, ms since 1970, and how many ms that was after its own time."""
        with self._database.connect() as connection:
            rows = np.array(connection.execute(_ROWS).fetchall(), dtype=np.int64).reshape(-1, 2)
        transactions, place = np.unique(rows[:, 1], return_inverse=True)
        seen = np.array([self._seen_ms(int(xid)) for xid in transactions])[place]
        return seen.astype(np.int64), seen - rows[:, 0]

    def _seen_ms(self, xid: int) -> float:
        place = bisect_right(self._ends, xid)
        while place < len(self._ends) and xid in self._running[place]:
            place += 1
        if place == len(self._ends):
            raise RuntimeError(f"transaction {xid} was committed after the last snapshot")
        return self._at_ms[place]

    def _run(self) -> None:
        try:
            with self._database.connect(autocommit=True) as connection:
                said = ""
                while not self._done.is_set():
                    (snapshot,) = connection.execute("SELECT pg_current_snapshot()::text").fetchone() or ("",)
                    if snapshot != said:
                        said = snapshot
                        _, end, running = snapshot.split(":")
                        self._at_ms.append(time.time() * 1000)
                        self._ends.append(int(end))
                        self._running.append(frozenset(int(xid) for xid in running.split(",") if xid))
                    self._done.wait(_EVERY_SEC)
        except Exception as error:  # told to the thread that waits for it
            self._error = error
