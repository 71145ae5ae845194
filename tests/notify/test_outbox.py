"""How much is sent, when, and together; what fails is tried again; and a clock that jumps holds nothing up."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from analytics.alerts import Alert, Kind
from nokchart.notify.outbox import MOST_TOGETHER, MOST_WAITING, Batch, Limits, Outbox

NOW = 1_767_700_000.0
LIMITS = Limits(channel_sec=300, per_hour=3)


def alert(kind: Kind = "peak", channel: str = "a", at: float = NOW, **more: Any) -> Alert:
    return Alert(kind, datetime.fromtimestamp(at, UTC), channel_id=channel, **more)


def send(outbox: Outbox, now: float, limits: Limits = LIMITS) -> Batch | None:
    batch = outbox.due(now, limits)
    if batch is not None:
        outbox.sent(batch, now)
    return batch


def told(outbox: Outbox, now: float) -> list[Alert]:
    batch = send(outbox, now)
    assert batch is not None
    return list(batch.alerts)


def test_peaks_of_a_channel_are_held_back_and_then_told_together() -> None:
    outbox = Outbox()
    outbox.add([alert(score=1)])
    assert told(outbox, NOW) == [alert(score=1)]
    outbox.add([alert(score=2), alert(score=3), alert(channel="b")])
    assert told(outbox, NOW + 1) == [alert(channel="b")]
    assert send(outbox, NOW + 299) is None
    assert told(outbox, NOW + 300) == [alert(score=2), alert(score=3)]
    assert outbox.waiting == []


def test_so_many_messages_an_hour_but_a_stall_is_always_told() -> None:
    outbox = Outbox()
    for index in range(5):
        outbox.add([alert("started", str(index))])
        assert (send(outbox, NOW + index) is not None) == (index < 3)
    outbox.add([alert("stalled", "")])
    batch = send(outbox, NOW + 10)
    assert batch is not None
    assert [one.kind for one in batch.alerts] == ["stalled"]
    batch = send(outbox, NOW + 3602)
    assert batch is not None
    assert [one.channel_id for one in batch.alerts] == ["3", "4"]


def test_what_fails_is_tried_later_and_later_and_is_not_lost() -> None:
    outbox = Outbox()
    outbox.add([alert("started")])
    waits, now = [], NOW
    for _ in range(10):
        assert outbox.due(now, LIMITS) is not None
        outbox.failed(now)
        waits.append(outbox.delay_sec())
        assert outbox.due(now + waits[-1] - 0.1, LIMITS) is None
        now += waits[-1]
    assert waits == [5, 10, 20, 40, 80, 160, 320, 600, 600, 600]
    assert send(outbox, now) is not None
    outbox.add([alert("ended")])
    assert send(outbox, now) is not None


def test_a_message_holds_so_many_and_counts_the_rest() -> None:
    outbox = Outbox()
    outbox.add([alert(channel=str(index), at=NOW + index) for index in range(MOST_TOGETHER + 2)])
    outbox.add([alert("ended", "over", at=NOW - 3700)])
    batch = send(outbox, NOW)
    assert batch is not None
    assert [one.channel_id for one in batch.alerts] == ["3", "4", "5", "6", "7", "over"]
    assert batch.left_out == 3
    assert (send(outbox, NOW), outbox.waiting, outbox.left_out) == (None, [], 0)


def test_memory_is_bounded() -> None:
    outbox = Outbox()
    outbox.add([alert("ended"), *[alert(score=index) for index in range(MOST_WAITING + 50)]])
    assert len(outbox.waiting) == MOST_WAITING
    assert outbox.waiting[0].kind == "ended"
    assert outbox.left_out == 51


@pytest.mark.parametrize("jump", [-86_400.0, 86_400.0])
def test_a_clock_that_jumps_holds_nothing_up(jump: float) -> None:
    outbox = Outbox()
    for index in range(3):
        outbox.add([alert(channel=str(index))])
        assert send(outbox, NOW) is not None
    outbox.add([alert(channel="0")])
    later = NOW + jump
    waited = next(wait for wait in range(0, 4000, 10) if outbox.due(later + wait, LIMITS) is not None)
    assert waited == (3600 if jump < 0 else 0)
    outbox.failed(NOW + 10 * 86_400)
    assert outbox.due(later + 4000, LIMITS) is None
    assert outbox.due(later + 4000 + outbox.delay_sec(), LIMITS) is not None


def test_it_survives_as_json() -> None:
    outbox = Outbox()
    outbox.add([alert(words=("와",)), alert("stalled")])
    outbox.failed(NOW)
    assert msgspec.json.decode(msgspec.json.encode(outbox), type=Outbox) == outbox
