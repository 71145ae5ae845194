"""Which part of a broadcast's chat is surely there: in server time, so that no clock of ours can falsify it."""

from dataclasses import dataclass

# A message that is ahead of all others by more than this counts only once another confirms its time: servers lie.
_LEAP_MS = 60_000

# A history whose oldest message stands alone by more than this does not reach back to it.
_ALONE_MS = 600_000


@dataclass(frozen=True)
class GapOpened:
    """From here on nobody knows what was said. It is recorded at once: who is killed now could not say it later."""

    from_ms: int | None
    """The newest message that is surely there; None: the newest that is stored."""
    cause: str


@dataclass(frozen=True)
class GapClosed:
    """Everything from `to_ms` on is there: what lies before it is lost, unless the gap begins later."""

    to_ms: int | None
    """None: nothing was missed."""


Change = GapOpened | GapClosed


class Coverage:
    """Follows one broadcast over its connections. All times are ms since 1970 by the server's clock.

    A new connection opens a question: what was said since the last message that is known? The recent chat answers it.
    If it reaches back to that message nothing is missing; if not, what lies between is a gap.
    """

    def __init__(self) -> None:
        self._open = True
        self._from: int | None = None
        self._first_live: int | None = None
        self._newest: int | None = None
        self._leap: int | None = None

    def began(self) -> GapOpened:
        """The collector begins with the broadcast, or begins again."""
        return GapOpened(None, "collector away")

    def saw_live(self, ts_ms: int) -> None:
        """A message came over the socket."""
        # An old one proves nothing: it may have been on its way for long.
        if self._open and (self._from is None or ts_ms > self._from):
            self._first_live = ts_ms if self._first_live is None else min(ts_ms, self._first_live)
        self._heard(ts_ms)

    def saw_recent(self, times_ms: list[int], whole_history: bool) -> GapClosed | None:
        """The recent chat arrived, with messages of these times, in any order.

        `whole_history`: there is nothing older than what came. An answer that says neither leaves the question open.
        """
        times = sorted(times_ms)
        for ts_ms in times[-2:]:
            self._heard(ts_ms)
        if not self._open:
            return None
        if whole_history:
            return self._close(None)
        while len(times) > 2 and times[1] - times[0] > _ALONE_MS:
            del times[0]
        if not times:
            return None
        # The answer may be late: by then what came over the socket may reach further back.
        return self._close(times[0] if self._first_live is None else min(times[0], self._first_live))

    def lost(self, cause: str) -> list[Change]:
        """The connection ended. Where no recent chat ever came, what was said before it stays missing."""
        changes: list[Change] = list(self.stopped())
        if not self._open:
            self._open, self._from, self._first_live = True, self._newest, None
            changes.append(GapOpened(self._newest, cause))
        return changes

    def stopped(self) -> list[GapClosed]:
        """The collector stops. Where no recent chat ever came, what was said before the connection stays missing."""
        return [self._close(self._first_live)] if self._open and self._first_live is not None else []

    def ended(self, closed_ms: int) -> list[GapClosed]:
        """The broadcast is over."""
        return [self._close(closed_ms if self._first_live is None else self._first_live)] if self._open else []

    def missing_ms(self, closed: GapClosed) -> int | None:
        """How long the gap was that is closed now; None where only the database knows."""
        if closed.to_ms is None:
            return 0
        return None if self._from is None else max(0, closed.to_ms - self._from)

    def _close(self, to_ms: int | None) -> GapClosed:
        self._open = False
        return GapClosed(to_ms)

    def _heard(self, ts_ms: int) -> None:
        if self._newest is not None and ts_ms <= self._newest + _LEAP_MS:
            self._newest = max(self._newest, ts_ms)
        elif self._leap is not None and abs(ts_ms - self._leap) <= _LEAP_MS:
            self._newest, self._leap = max(ts_ms, self._leap), None
        else:
            self._leap = ts_ms
