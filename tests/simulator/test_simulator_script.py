"""Scripts: from Python and from JSON, and what is refused."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from simulator import Broadcast, Burst, Channel, Fault, FaultError, ScriptError, Simulator, channels_from_json


def test_json_gives_the_same_channels_as_python() -> None:
    text = json.dumps(
        {
            "channels": [
                {
                    "name": "별빛수달",
                    "broadcasts": [{"duration_sec": 90, "base_rate": 3, "bursts": [{"onset_sec": 30, "gain": 5}]}],
                    "faults": [{"at_sec": 12.5, "kind": "close", "code": 4000}],
                }
            ]
        }
    )
    assert channels_from_json(text) == [
        Channel("별빛수달", [Broadcast(90, 3, bursts=(Burst(30, 5),))], [Fault(12.5, "close", code=4000)])
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("nonsense", "JSON object"),
        ("[]", "JSON object"),
        ('{"channels": [{"name": "a", "broadcasts": [{"duration": 5}]}]}', "Broadcast has no duration"),
        ('{"channels": [{"name": "a", "broadcasts": [{"base_rate": 5}]}]}', "duration_sec"),
        ('{"channels": [{"name": "a", "broadcasts": [], "faults": [{"kind": "drop"}]}]}', "at_sec"),
    ],
)
def test_a_wrong_script_is_refused_with_the_reason(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        channels_from_json(text)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Burst(-1, 2),
        lambda: Burst(1, 0),
        lambda: Burst(1, 2, theme="weather"),
        lambda: Broadcast(0),
        lambda: Broadcast(60, bursts=(Burst(60, 2),)),
    ],
)
def test_impossible_values_are_refused(make: object) -> None:
    assert callable(make)
    with pytest.raises(ScriptError):
        make()


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [(Fault(1, "earthquake"), "unknown fault kind"), (Fault(1, "close", cod=1000), "has no cod")],
)
def test_a_fault_that_cannot_be_played_is_refused_before_it_is_due(fault: Fault, complaint: str) -> None:
    with pytest.raises(FaultError, match=complaint):
        Simulator([Channel("a", [Broadcast(10)], [fault])])


def test_two_channels_cannot_share_an_id() -> None:
    with pytest.raises(ScriptError, match="two channels"):
        Simulator([Channel("a", []), Channel("a", [])])


def test_broadcasts_open_at_whole_seconds_one_after_the_other() -> None:
    channel = Channel("a", [Broadcast(10.4, offline_before_sec=3), Broadcast(20, offline_before_sec=5)])
    assert channel.openings() == [3, 19]  # 3 + 10.4 + 5 = 18.4: the next whole second
    assert channel.span_sec() == 39
    assert Channel("a", [], [Fault(50, "drop")]).span_sec() == 50
    assert len(bytes.fromhex(channel.channel_id)) == 16


async def test_a_process_that_stands_still_lets_no_time_pass() -> None:
    """Or a client would find that minutes of a broadcast have passed, in which it could have done nothing."""
    channel = Channel("멈춤", [Broadcast(4000, 1.0)])
    async with Simulator([channel], speed=100) as chzzk:

        def passed() -> float:
            return chzzk.progress(channel.channel_id).simulated_sec

        await asyncio.sleep(0.1)
        before = passed()
        time.sleep(1.0)  # noqa: ASYNC251 - this is the stand-still
        assert passed() - before <= 10.0  # a tenth of a second
        await asyncio.sleep(0.3)
        assert passed() - before > 10.0  # and it goes on
