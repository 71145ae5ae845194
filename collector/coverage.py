"""Which part of a broadcast's chat is surely there: in server time, so that no clock of ours can falsify it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Missing:
    """Chat that was not delivered, between the last message that is there and the first that is there again."""

    from_ms: int
    to_ms: int
    cause: str


class Coverage:
    """Follows one broadcast over its connections. All times are ms since 1970 by the server's clock.

    A new connection opens a question: what was said since the last message that is known? The recent chat answers it.
    If it reaches back to that message nothing is missing; if not, what lies between is a gap.
    """

    def __init__(self, known_until_ms: int, cause: str) -> None:
        self._known_until = known_until_ms
        self._cause = cause
        self._open = True
        self._first_live: int | None = None
        self._newest = known_until_ms

    @property
    def newest_ms(self) -> int:
        """The time of the newest message so far."""
        return self._newest

    def saw_live(self, ts_ms: int) -> None:
        """A message came over the socket."""
        if self._open and (self._first_live is None or ts_ms < self._first_live):
            self._first_live = ts_ms
        self._newest = max(self._newest, ts_ms)

    def saw_recent(self, oldest_ms: int | None, newest_ms: int | None, whole_history: bool) -> Missing | None:
        """The recent chat arrived: from `oldest_ms` to `newest_ms`, None where it is empty.

        `whole_history`: there is nothing older than what came. Returns the gap that it leaves, if any. An answer that
        says neither leaves the question open.
        """
        if newest_ms is not None:
            self._newest = max(self._newest, newest_ms)
        if whole_history:
            self._open = False
            return None
        if oldest_ms is None or not self._open:
            return None
        # The answer may be late: by then what came over the socket may reach further back.
        return self._close(oldest_ms if self._first_live is None else min(oldest_ms, self._first_live))

    def lost(self, cause: str) -> Missing | None:
        """The connection ended. Returns the gap before it, where no recent chat ever came to answer for it."""
        missing = self.stopped()
        if not self._open:
            self._known_until = self._newest
            self._cause = cause
        self._open = True
        self._first_live = None
        return missing

    def stopped(self) -> Missing | None:
        """The collector stops. Returns the gap before the connection, where no recent chat came to answer for it."""
        return self._close(self._first_live) if self._open and self._first_live is not None else None

    def ended(self, closed_ms: int) -> Missing | None:
        """The broadcast is over. Returns the gap up to its end, where it ended without a connection."""
        if not self._open:
            return None
        return self._close(closed_ms if self._first_live is None else self._first_live)

    def _close(self, to_ms: int) -> Missing | None:
        self._open = False
        return Missing(self._known_until, to_ms, self._cause) if to_ms > self._known_until else None
