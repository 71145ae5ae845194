"""The event's key: what names a message for ever, so that a second delivery is found years later."""

from datetime import UTC, datetime

import pytest

from store.event import event_key, require_aware, stream_id


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ((1, "a1b2", 1_767_700_800_123, "ㅋㅋㅋ"), 290_214_838_501_472_354),
        ((1, None, 0, None), 4_685_589_048_301_438_865),
        ((10, "anonymous", 1_767_700_800_123, "응원", "d-1", 1000), -2_188_782_546_522_013_197),
        ((10, "anonymous", 1_767_700_800_123, "응원", None, 1000), 535_575_351_573_119_391),
        ((10, "anonymous", 1_767_700_800_123, None, None, 2000), 4_374_028_832_607_630_942),
        ((93_006, None, 1_767_700_800_123, ""), 8_586_040_972_352_376_017),
    ],
)
def test_keys_never_change(arguments: tuple[object, ...], key: int) -> None:
    """Golden values: with another digest every row that is stored would be stored again."""
    assert event_key(*arguments) == key  # type: ignore[arg-type]


def test_what_tells_messages_apart() -> None:
    said = (1, "u", 5, "x")
    keys = {
        event_key(*said),
        event_key(10, "u", 5, "x"),
        event_key(1, "v", 5, "x"),
        event_key(1, "u", 6, "x"),
        event_key(1, "u", 5, "y"),
        event_key(1, "u", 5, "x", None, 0),
        event_key(1, "u", 5, "x", None, 1000),
        event_key(1, "u", 5, "x", "d1"),
        event_key(1, "u", 5, "x", "d2"),
    }
    assert len(keys) == 9
    assert all(-(2**63) <= key < 2**63 for key in keys)
    # What Chzzk itself identifies needs nothing else.
    assert event_key(10, "u", 5, "x", "d1", 1) == event_key(10, "u", 5, "y", "d1", 2)


def test_a_stream_id_follows_from_the_broadcast_alone() -> None:
    assert stream_id("ab12", datetime(2026, 1, 6, 15, 0, 1, tzinfo=UTC)) == "20260107-000001_ab12"
    with pytest.raises(ValueError, match="no time zone"):
        require_aware(datetime(2026, 1, 6))  # noqa: DTZ001 - that is the point
