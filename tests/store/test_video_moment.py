"""Where a moment of a broadcast is in its video: the SQL functions, at the edges."""

from datetime import timedelta
from typing import Any

import psycopg
import pytest

from tests.analytics.sample import OPENED, add_broadcast

# Video 7 has the first hour from second 2 on, without the minutes from 20 to 30; video 8 the second hour.
_PARTS = [(7, 0, 2, 1200), (7, 1_198_000, 1800, 3600), (8, 0, 3600.5, 7200)]


@pytest.fixture
def broadcast_id(plain_connection: psycopg.Connection[Any]) -> int:
    """A broadcast with two videos, and another one without."""
    number = add_broadcast(plain_connection, closed_at=OPENED + timedelta(hours=2))
    add_broadcast(plain_connection, opened_at=OPENED + timedelta(hours=5))
    for video_no, from_ms, begin, end in _PARTS:
        plain_connection.execute(
            "INSERT INTO video_part VALUES (%s, %s, %s, %s, %s)",
            (number, video_no, from_ms, OPENED + timedelta(seconds=begin), OPENED + timedelta(seconds=end)),
        )
    return number


@pytest.mark.parametrize(
    ("second", "place"),
    [
        (-60, (7, 0)),
        (2, (7, 0)),
        (2.999, (7, 0)),
        (3, (7, 1)),
        (1199.999, (7, 1197)),
        (1200, (7, 1198)),  # cut out: the video goes on there
        (1799, (7, 1198)),
        (1801, (7, 1199)),
        (3600.2, (8, 0)),
        (3610.6, (8, 10)),
        (7200, None),
    ],
)
def test_a_moment(
    plain_connection: psycopg.Connection[Any], broadcast_id: int, second: float, place: tuple[int, int] | None
) -> None:
    moment = OPENED + timedelta(seconds=second)
    asked = "SELECT * FROM video_moment(%(broadcast)s, %(moment)s)"
    url = "SELECT video_url(%(broadcast)s, %(moment)s)"
    of = {"broadcast": broadcast_id, "moment": moment}
    assert plain_connection.execute(asked, of).fetchone() == place
    link = place and f"https://chzzk.naver.com/video/{place[0]}?currentTime={place[1]}"
    assert plain_connection.execute(url, of).fetchone() == (link,)
    assert plain_connection.execute(url, {**of, "broadcast": broadcast_id + 1}).fetchone() == (None,)
