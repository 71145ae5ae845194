"""How long to wait before the next attempt: full jitter, doubled, capped, and reset only after useful time."""

import random

FIRST_SEC = 1.0
CAP_SEC = 30.0

# Data must have flowed for so long before a connection counts as good: a server that accepts and drops is not hammered.
USEFUL_SEC = 60.0


class Backoff:
    """The delays of one thing that is tried again and again: drawn from [0, limit), where the limit grows each time."""

    def __init__(
        self, first: float = FIRST_SEC, cap: float = CAP_SEC, useful: float = USEFUL_SEC, factor: float = 2.0
    ) -> None:
        self._first = first
        self._factor = factor
        self._cap = cap
        self._useful = useful
        self._limit = first

    def seconds(self) -> float:
        """How long to wait now, in seconds."""
        delay = random.uniform(0, self._limit)
        self._limit = min(self._cap, self._limit * self._factor)
        return delay

    def worked_for(self, seconds: float) -> None:
        """The last attempt brought data for so many seconds: after a useful time the delays begin anew."""
        if seconds >= self._useful:
            self._limit = self._first
