"""A wall clock that is set while the collector runs; the monotonic clock, and everybody else's, go on as they are."""

from __future__ import annotations

import sys
import time
from datetime import datetime, timedelta, tzinfo
from types import ModuleType
from typing import Any

import pytest

# Who asks the wall clock what time it is.
_ROOMS = ("collector", "store", "nokchart")


class WallClock:
    """The clock as the collector's modules see it."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.ahead_sec = 0.0
        """By how much it differs from the true time."""
        clock = self

        class Stepped(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> Any:
                return datetime.now(tz) + timedelta(seconds=clock.ahead_sec)

        class SteppedTime(ModuleType):
            def __getattr__(self, name: str) -> Any:
                return getattr(time, name)

            @staticmethod
            def time() -> float:
                return time.time() + clock.ahead_sec

        stepped_time = SteppedTime("time")
        for module in [module for name, module in sys.modules.items() if name.split(".")[0] in _ROOMS]:
            if getattr(module, "datetime", None) is datetime:
                patch.setattr(module, "datetime", Stepped)
            if getattr(module, "time", None) is time:
                patch.setattr(module, "time", stepped_time)
