"""The fuzzer of the decoder finds what is wrong: it is held against decoders that break each promise."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from bench import decoder_fuzz
from bench.decoder_fuzz import NOW_MS, Violation, corpus, fuzz, mutate
from collector.chzzk.decode import Frame, decode_frame

FRAMES = 400


def raises(frame: Frame) -> Frame:
    if frame.command is None:
        raise KeyError("cmd")
    return frame


def drops(frame: Frame) -> Frame:
    del frame.events[3:]
    return frame


def invents(frame: Frame) -> Frame:
    frame.events = [event._replace(content="지어낸 말") for event in frame.events]
    return frame


def dates_back(frame: Frame) -> Frame:
    frame.events = [event._replace(ts_ms=event.ts_ms - 1) for event in frame.events]
    return frame


def keeps_nul(frame: Frame) -> Frame:
    frame.events = [event._replace(nickname="\x00") for event in frame.events]
    return frame


def writes_nan(frame: Frame) -> Frame:
    frame.events = [event._replace(extra='{"a":NaN}') for event in frame.events]
    return frame


def overflows(frame: Frame) -> Frame:
    frame.events = [event._replace(event_key=2**63) for event in frame.events]
    return frame


def refuses_in_korean(frame: Frame) -> Frame:
    frame.rejected = [rejected._replace(raw='"가"') for rejected in frame.rejected]
    return frame


def test_the_decoder_keeps_its_promises_for_a_while() -> None:
    counts = fuzz(3, lambda number: number < FRAMES)
    assert counts["frames"] == FRAMES
    assert min(counts[what] for what in ("not a message", "events", "refused", "blinds")) > 10


@pytest.mark.parametrize(
    "fault", [raises, drops, invents, dates_back, keeps_nul, writes_nan, overflows, refuses_in_korean]
)
def test_a_broken_promise_is_found_and_its_frame_named(
    fault: Callable[[Frame], Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder_fuzz, "decode_frame", lambda data, now_ms: fault(decode_frame(data, now_ms)))
    with pytest.raises(Violation, match=r"frame 3/\d+: ") as caught:
        fuzz(3, lambda number: number < FRAMES)
    number = str(caught.value).split("frame 3/")[1].split(":")[0]
    assert repr(mutate(corpus(), f"3/{number}")) in str(caught.value)  # and can be had again


def test_a_frame_that_means_two_things_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter(range(NOW_MS, NOW_MS + 10_000))
    monkeypatch.setattr(decoder_fuzz, "decode_frame", lambda data, _: decode_frame(data, next(moments)))
    with pytest.raises(Violation, match="second time"):
        fuzz(3, lambda number: number < FRAMES)


def test_the_command_says_how_much_it_tried_or_what_it_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["decoder_fuzz", "--seconds", "0.3"])
    decoder_fuzz.main()
    assert "frames in 0 s" in capsys.readouterr().out
    monkeypatch.setattr(decoder_fuzz, "decode_frame", lambda data, now_ms: 1 / 0)
    with pytest.raises(SystemExit, match="ZeroDivisionError"):
        decoder_fuzz.main()
