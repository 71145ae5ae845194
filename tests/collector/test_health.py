"""The verdict: what is a problem, from which moment on, and in which words."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from collector.health import describe, problems
from tests.collector.wellbeing import NOW, channel, silent, snapshot

A = "a" * 32


def ages(**changes: Any) -> dict[str, Any]:
    """A channel's changes, under a name that tells them from the collector's."""
    return {"channel": changes}


# Each as it is just before it is a problem, as it is then, and what is said of it.
TURNS = [
    (
        {"at": NOW - timedelta(seconds=60)},
        {"at": NOW - timedelta(seconds=61)},
        "The status is 61 s old: the collector (process 4711) hangs or is gone.",
    ),
    (
        {"at": NOW + timedelta(seconds=60)},
        {"at": NOW + timedelta(hours=9)},
        "The status is 9.0 h ahead of the clock: the clock was set back, or the collector is gone.",
    ),
    (
        {"database_away_sec": 60.0, "queued_rows": 9_000, "spool_bytes": 3 * 2**20},
        {"database_away_sec": 61.0, "queued_rows": 9_000, "spool_bytes": 3 * 2**20},
        "The database has taken nothing for 61 s: 9,000 rows wait in memory and 3.0 MB on disk.",
    ),
    (
        {"spool_bytes": 1024 * 2**20, "dropped": 12_345},
        {"spool_bytes": 1024 * 2**20, "dropped": 12_345, "spool_full": True},
        "The spool is full at 1,024.0 of 1,024.0 MB: 12,345 messages were dropped so far.",
    ),
    ({"queued_rows": 100_000}, {"queued_rows": 100_001}, "The queue holds 100,001 rows of 200,000."),
    (
        {"commit_age_sec": 900.0},
        {"commit_age_sec": 931.0},
        "Nothing was committed for 16 min, with 1 of 2 channels on air.",
    ),
    (
        {"commit_age_sec": None, "started_at": NOW - timedelta(seconds=902)},
        {"commit_age_sec": None, "started_at": NOW - timedelta(hours=2, seconds=2)},
        "Nothing was committed for 2.0 h, with 1 of 2 channels on air.",
    ),
    (
        ages(poll_age_sec=240.0),
        ages(poll_age_sec=300.0),
        f"Channel {A}: no poll was answered for 5 min, and one is due every 60 s.",
    ),
    (
        {"poll_interval_sec": 10.0, **ages(poll_age_sec=90.0)},
        {"poll_interval_sec": 10.0, **ages(poll_age_sec=91.0)},
        f"Channel {A}: no poll was answered for 91 s, and one is due every 10 s.",
    ),
    (
        {"started_at": NOW - timedelta(seconds=242), **ages(poll_age_sec=None)},
        {"started_at": NOW - timedelta(seconds=302), **ages(poll_age_sec=None)},
        f"Channel {A}: no poll was answered for 5 min, and one is due every 60 s.",
    ),
    (
        ages(frame_age_sec=90.0),
        ages(frame_age_sec=91.0),
        f"Channel {A}: on air and connected, and nothing was heard for 91 s.",
    ),
    (
        ages(frame_age_sec=90.0, connected=False),
        ages(frame_age_sec=91.0, connected=False),
        f"Channel {A}: on air and not connected for 91 s.",
    ),
]


def changed(changes: dict[str, Any]) -> Any:
    """A collector that is well but for these changes."""
    rest = {name: value for name, value in changes.items() if name != "channel"}
    return snapshot(channel(A, **changes.get("channel", {})), silent(), **rest)


@pytest.mark.parametrize(("well", "ill", "said"), TURNS)
def test_a_problem_begins_at_its_threshold(well: dict[str, Any], ill: dict[str, Any], said: str) -> None:
    assert problems(changed(well), NOW) == []
    assert problems(changed(ill), NOW) == [said]


@pytest.mark.parametrize(
    "state",
    [
        snapshot(),
        snapshot(channels=[]),
        snapshot(silent(), commit_age_sec=86_400.0),  # nobody on air: nothing to write
        snapshot(channel(connected=False, frame_age_sec=None)),  # reconnecting, as far as anybody knows
        snapshot(silent(frame_age_sec=5_000.0)),
        snapshot(commit_age_sec=None, started_at=NOW - timedelta(seconds=5)),
        snapshot(repeated=10**9, rejected=10**6, dropped=4, commit_errors=99),  # the past is for the metrics
    ],
)
def test_what_is_no_problem(state: Any) -> None:
    assert problems(state, NOW) == []


def test_every_problem_is_named_and_none_hides_another() -> None:
    ill = snapshot(
        channel("x", poll_age_sec=1_000.0),
        channel("y", frame_age_sec=1_000.0),
        at=NOW - timedelta(minutes=5),
        database_away_sec=100.0,
        spool_full=True,
        queued_rows=200_000,
        commit_age_sec=1_000.0,
    )
    said = problems(ill, NOW)
    assert len(said) == 7
    assert [one.split(":")[0] for one in said[-2:]] == ["Channel x", "Channel y"]
    lines = describe(ill, NOW)
    assert [line.removeprefix("  problem      ") for line in lines[-7:]] == said


def test_the_documentation_explains_every_problem() -> None:
    page = (Path(__file__).parents[2] / "docs/operations.md").read_text(encoding="utf-8")
    explained = [re.escape(words).replace(r"\.\.", ".*") for words in re.findall(r'^\| "([^"]+)"', page, re.MULTILINE)]
    of_the_command = 2  # no collector, and a file that cannot be read: no snapshot to judge
    said = [sentence for _, _, sentence in TURNS]
    assert [sentence for sentence in said if not any(re.search(words, sentence) for words in explained)] == []
    assert len([words for words in explained if not any(re.search(words, one) for one in said)]) == of_the_command


def test_the_state_in_a_few_lines() -> None:
    channels = [channel(poll_age_sec=72.4), silent(), silent("c", poll_age_sec=None)]
    assert describe(snapshot(*channels, started_at=NOW - timedelta(seconds=80)), NOW) == [
        "collector host:4711: 3 channels, 1 on air",
        "  status       2 s old",
        "  last poll    12 s ago, 72 s for the channel that waits longest, 1 not answered yet",
        f"  on air       {A}: connected, last frame 3 s ago",
        "  last commit  0 s ago",
        "  queue        17 of 200,000 rows",
        "  spool        0.0 of 1,024.0 MB",
    ]


def test_the_state_of_a_collector_that_has_just_started() -> None:
    young = snapshot(
        channel(poll_age_sec=None, connected=False, frame_age_sec=None),
        started_at=NOW - timedelta(seconds=3),
        commit_age_sec=None,
    )
    lines = describe(young, NOW)
    assert lines[2:5] == ["  last poll    none yet", f"  on air       {A}: not connected", "  last commit  none yet"]
