"""What the tests of messages share."""

from collections.abc import Iterator

import pytest

from tests.notify.hooks import Hooks, hooks


@pytest.fixture
def hook() -> Iterator[Hooks]:
    """A server that takes messages."""
    with hooks() as running:
        yield running
