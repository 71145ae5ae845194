"""Which chat is surely there: questions that connections open, and answers that recent chat gives."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from collector.coverage import Coverage, Missing


def test_a_start_at_the_beginning_misses_nothing() -> None:
    coverage = Coverage(1000, "late start")
    assert coverage.saw_recent(5000, 9000, whole_history=True) is None
    assert coverage.ended(20_000) is None
    assert coverage.newest_ms == 9000


def test_a_late_start_misses_what_recent_chat_does_not_reach() -> None:
    assert Coverage(1000, "late start").saw_recent(5000, 9000, False) == Missing(1000, 5000, "late start")


def test_an_empty_history_is_the_whole_of_it() -> None:
    coverage = Coverage(1000, "late start")
    assert coverage.saw_recent(None, None, True) is None
    assert coverage.ended(9000) is None


def test_recent_chat_that_reaches_the_last_known_message_leaves_nothing_missing() -> None:
    coverage = Coverage(1000, "late start")
    coverage.saw_recent(None, None, True)
    coverage.saw_live(2000)
    assert coverage.lost("close 1000") is None
    coverage.saw_live(3500)  # on the new connection, before its recent chat
    assert coverage.saw_recent(2000, 3000, False) is None
    assert coverage.newest_ms == 3500


def test_recent_chat_that_does_not_reach_it_leaves_a_gap_with_the_cause_of_the_loss() -> None:
    coverage = Coverage(1000, "late start")
    coverage.saw_recent(None, None, True)
    coverage.saw_live(2000)
    coverage.lost("close 1006")
    assert coverage.saw_recent(2500, 3000, False) == Missing(2000, 2500, "close 1006")


def test_a_late_answer_does_not_deny_what_came_live() -> None:
    coverage = Coverage(1000, "late start")
    coverage.saw_live(2000)
    coverage.saw_live(9000)
    assert coverage.saw_recent(5000, 9000, False) == Missing(1000, 2000, "late start")


def test_attempts_that_fail_keep_the_first_cause() -> None:
    coverage = Coverage(1000, "late start")
    coverage.saw_recent(None, None, True)
    coverage.saw_live(2000)
    coverage.lost("silent")
    coverage.lost("close 1011")  # a connection that brought nothing
    assert coverage.saw_recent(2500, 3000, False) == Missing(2000, 2500, "silent")


def test_an_answer_that_says_nothing_leaves_the_question_open() -> None:
    coverage = Coverage(1000, "late start")
    assert coverage.saw_recent(None, None, False) is None
    coverage.saw_live(4000)
    assert coverage.lost("close 1000") == Missing(1000, 4000, "late start")


def test_a_second_answer_is_no_second_gap() -> None:
    coverage = Coverage(1000, "late start")
    assert coverage.saw_recent(5000, 6000, False) is not None
    assert coverage.saw_recent(5500, 6000, False) is None


def test_the_end_during_an_outage_is_a_gap_up_to_it() -> None:
    coverage = Coverage(1000, "late start")
    coverage.saw_recent(None, None, True)
    coverage.saw_live(2000)
    coverage.lost("close 1006")
    assert coverage.ended(9000) == Missing(2000, 9000, "close 1006")


def test_the_end_without_any_recent_chat_does_not_deny_what_came_live() -> None:
    coverage = Coverage(1000, "late start")
    coverage.saw_live(4000)
    coverage.saw_live(8000)
    assert coverage.ended(9000) == Missing(1000, 4000, "late start")


def test_a_stop_before_the_answer_is_a_gap_before_the_connection() -> None:
    coverage = Coverage(1000, "collector away")
    coverage.saw_live(4000)
    assert coverage.stopped() == Missing(1000, 4000, "collector away")
    assert coverage.stopped() is None
    assert coverage.ended(9000) is None


@dataclass
class Server:
    """A chat that says something at the given times, and remembers the last few."""

    times: list[int]
    remembers: int
    kept: set[int] = field(default_factory=set)
    gaps: list[Missing] = field(default_factory=list)

    def note(self, missing: Missing | None) -> None:
        if missing is not None:
            self.gaps.append(missing)


@given(
    times=st.lists(st.integers(1, 10_000), min_size=1, max_size=60, unique=True).map(sorted),
    remembers=st.integers(1, 20),
    breaks=st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 3_000), st.booleans()), max_size=6),
)
def test_every_lost_message_is_in_a_gap_and_no_gap_is_wider(
    times: list[int], remembers: int, breaks: list[tuple[int, int, bool]]
) -> None:
    server, coverage = Server(times, remembers), Coverage(0, "late start")
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
            server.note(coverage.lost("cut"))
        elif what == "connect" and not connected:
            connected = asked = True
        elif what == "answer" and asked:
            asked = False
            said = [time for time in times if time <= now]
            recent = said[-remembers:]
            server.kept.update(recent)
            whole = len(recent) < remembers
            server.note(coverage.saw_recent(min(recent, default=None), max(recent, default=None), whole))
        elif what == "say" and connected:
            server.kept.add(now)
            coverage.saw_live(now)
    server.note(coverage.ended(20_000))
    for time in times:
        inside = any(gap.from_ms < time < gap.to_ms for gap in server.gaps)
        assert inside or time in server.kept, "lost, and in no gap"
        assert not (exact and inside and time in server.kept), "a gap is wider than what is lost"
