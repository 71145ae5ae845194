"""Which chat is surely there: questions that connections open, and answers that recent chat gives."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from collector.coverage import Change, Coverage, GapClosed, GapOpened

Gap = tuple[int, int, str]


@dataclass
class Rows:
    """What the database makes of the changes: at most one open gap, and closed ones."""

    opened_ms: int = 1000
    stored: set[int] = field(default_factory=set)
    open: tuple[int, str] | None = None
    gaps: list[Gap] = field(default_factory=list)

    def note(self, changes: Change | Iterable[Change] | None) -> None:
        if changes is None:
            return
        for change in [changes] if isinstance(changes, GapOpened | GapClosed) else changes:
            if isinstance(change, GapOpened):
                cause = change.cause if self.stored or change.from_ms is not None else "late start"
                newest = max(self.stored, default=self.opened_ms) if change.from_ms is None else change.from_ms
                self.open = self.open or (newest, cause)
            elif self.open is not None:
                if change.to_ms is not None and change.to_ms > self.open[0]:
                    self.gaps.append((self.open[0], change.to_ms, self.open[1]))
                self.open = None


class Story:
    """A coverage and what becomes of its changes."""

    def __init__(self, *stored: int) -> None:
        self.rows = Rows(stored=set(stored))
        self.coverage = Coverage()
        self.rows.note(self.coverage.began())

    def live(self, *times: int) -> None:
        for time in times:
            self.coverage.saw_live(time)
        self.rows.stored.update(times)

    def recent(self, *times: int, whole: bool = False) -> None:
        self.rows.note(self.coverage.saw_recent(list(times), whole))
        self.rows.stored.update(times)

    def lost(self, cause: str) -> None:
        self.rows.note(self.coverage.lost(cause))

    @property
    def gaps(self) -> list[Gap]:
        return self.rows.gaps


def test_a_start_at_the_beginning_misses_nothing() -> None:
    story = Story()
    story.recent(5000, 9000, whole=True)
    assert story.coverage.ended(20_000) == []
    assert (story.gaps, story.rows.open) == ([], None)


def test_a_late_start_misses_what_recent_chat_does_not_reach() -> None:
    story = Story()
    story.recent(9000, 5000)
    assert story.gaps == [(1000, 5000, "late start")]


def test_a_restart_goes_on_from_what_is_stored() -> None:
    story = Story(3000, 4000)
    story.recent(9000, 5000)
    assert story.gaps == [(4000, 5000, "collector away")]


def test_an_empty_history_is_the_whole_of_it() -> None:
    story = Story()
    story.recent(whole=True)
    assert story.coverage.ended(9000) == []
    assert (story.gaps, story.rows.open) == ([], None)


def test_recent_chat_that_reaches_the_last_known_message_leaves_nothing_missing() -> None:
    story = Story()
    story.recent(whole=True)
    story.live(1900, 2000)
    story.lost("close 1000")
    assert story.rows.open == (2000, "close 1000")
    story.live(3500)  # on the new connection, before its recent chat
    story.recent(2000, 3000)
    assert (story.gaps, story.rows.open) == ([], None)


def test_recent_chat_that_does_not_reach_it_leaves_a_gap_with_the_cause_of_the_loss() -> None:
    story = Story()
    story.recent(whole=True)
    story.live(1900, 2000)
    story.lost("close 1006")
    story.recent(2500, 3000)
    assert story.gaps == [(2000, 2500, "close 1006")]


def test_who_is_killed_leaves_an_open_gap() -> None:
    story = Story()
    story.recent(whole=True)
    story.live(1900, 2000)
    story.lost("close 1006")
    story.live(7000)  # on the new connection, and then the end
    again = Story()
    again.rows = story.rows
    again.rows.note(again.coverage.began())
    again.recent(6000, 7000)
    assert again.gaps == [(2000, 6000, "close 1006")]


def test_a_late_answer_does_not_deny_what_came_live() -> None:
    story = Story()
    story.live(2000, 9000)
    story.recent(5000, 9000)
    assert story.gaps == [(1000, 2000, "late start")]


def test_attempts_that_fail_keep_the_first_cause() -> None:
    story = Story()
    story.recent(whole=True)
    story.live(1900, 2000)
    story.lost("silent")
    story.lost("close 1011")  # a connection that brought nothing
    story.recent(2500, 3000)
    assert story.gaps == [(2000, 2500, "silent")]


def test_an_answer_that_says_nothing_leaves_the_question_open() -> None:
    story = Story()
    story.recent()
    story.live(4000)
    story.lost("close 1000")
    assert story.gaps == [(1000, 4000, "late start")]


def test_a_second_answer_is_no_second_gap() -> None:
    story = Story()
    story.recent(5000, 6000)
    story.recent(5500, 6000)
    assert story.gaps == [(1000, 5000, "late start")]


def test_the_end_during_an_outage_is_a_gap_up_to_it() -> None:
    story = Story()
    story.recent(whole=True)
    story.live(1900, 2000)
    story.lost("close 1006")
    story.rows.note(story.coverage.ended(9000))
    assert story.gaps == [(2000, 9000, "close 1006")]


def test_the_end_without_any_recent_chat_does_not_deny_what_came_live() -> None:
    story = Story()
    story.live(4000, 8000)
    story.rows.note(story.coverage.ended(9000))
    assert story.gaps == [(1000, 4000, "late start")]


def test_a_stop_before_the_answer_is_a_gap_before_the_connection() -> None:
    story = Story(500)
    story.live(4000)
    story.rows.note(story.coverage.stopped())
    assert story.gaps == [(500, 4000, "collector away")]
    assert story.coverage.stopped() == []
    assert story.coverage.ended(9000) == []


def test_a_message_from_the_future_does_not_hide_a_gap() -> None:
    story = Story()
    story.recent(whole=True)
    story.live(1900, 2000, 600_000, 2100)
    story.lost("close 1006")
    assert story.rows.open == (2100, "close 1006")
    # Time that really leaps, after a silence, is followed.
    story.recent(2100)
    story.live(900_000, 900_500)
    story.lost("close 1006")
    assert story.rows.open == (900_500, "close 1006")


def test_a_message_from_the_past_does_not_close_a_gap() -> None:
    story = Story()
    story.recent(whole=True)
    story.live(3_000_000, 3_000_100)
    story.lost("close 1006")
    story.live(5)
    story.recent(7, 3_050_000, 3_051_000)
    assert story.gaps == [(3_000_100, 3_050_000, "close 1006")]


def test_how_long_a_gap_was() -> None:
    coverage = Coverage()
    coverage.began()
    assert coverage.missing_ms(GapClosed(5000)) is None  # only the database knows where it began
    coverage.saw_recent([5000, 6000], False)
    coverage.lost("close 1006")
    assert coverage.missing_ms(GapClosed(9000)) == 3000
    assert coverage.missing_ms(GapClosed(5000)) == 0
    assert coverage.missing_ms(GapClosed(None)) == 0


@given(
    times=st.lists(st.integers(1, 10_000), min_size=1, max_size=60, unique=True).map(sorted),
    remembers=st.integers(1, 20),
    breaks=st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 3_000), st.booleans()), max_size=6),
)
def test_every_lost_message_is_in_a_gap_and_no_gap_is_wider(
    times: list[int], remembers: int, breaks: list[tuple[int, int, bool]]
) -> None:
    story = Story()
    story.rows.opened_ms = 0
    story.rows.note(story.coverage.began())
    story.rows.open = (0, "late start")
    connected = asked = False
    exact = True  # a connection that was cut before its answer leaves a gap that a later answer may fill
    events = sorted(
        [(time, 1, "say") for time in times]
        + [(0, 0, "connect"), (0, 2, "answer")]
        + [(start, 3, "cut") for start, _, _ in breaks]
        + [(start + length, 4, "connect") for start, length, _ in breaks]
        # The answer to a connection may take a while, or never come.
        + [(start + length + 200, 5, "answer") for start, length, answered in breaks if answered]
    )
    for now, _, what in events:
        if what == "cut" and connected:
            exact = exact and not asked
            connected = asked = False
            story.lost("cut")
        elif what == "connect" and not connected:
            connected = asked = True
        elif what == "answer" and asked:
            asked = False
            said = [time for time in times if time <= now]
            recent = said[-remembers:]
            story.recent(*recent, whole=len(recent) < remembers)
        elif what == "say" and connected:
            story.live(now)
    story.rows.note(story.coverage.ended(20_000))
    for time in times:
        inside = any(begin < time < end for begin, end, _ in story.gaps)
        assert inside or time in story.rows.stored, "lost, and in no gap"
        assert not (exact and inside and time in story.rows.stored), "a gap is wider than what is lost"
