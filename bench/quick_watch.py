"""`nokchart watch` with its times scaled down, for a broadcast that is played a hundred times as fast as it was.

An outage counts in seconds of the broadcast: a pause of a real second is a hundred of those, which is more than the
recent chat covers. So every pause of the collector's is made shorter here; all the rest is the command as it is.
"""

import sys
from typing import Any
from unittest.mock import patch

import nokchart.collecting
from collector.backoff import Backoff
from collector.channel import WatchSettings
from collector.chzzk import chat
from nokchart.cli import app

# Real seconds.
POLL_SEC = 0.2
_SILENT_SEC = 0.2
_DEAD_SEC = 0.4
_HANDSHAKE_SEC = 10.0  # a limit, not a pause
_GOODBYE_SEC = 0.1


def _scaled(**settings: Any) -> WatchSettings:
    return WatchSettings(
        **{
            **settings,
            "heartbeat": chat.Heartbeat(ping_after=_SILENT_SEC, dead_after=_DEAD_SEC, handshake=_HANDSHAKE_SEC),
            "backoff": lambda: Backoff(first=0.02, cap=0.2, useful=0.3),
        }
    )


if __name__ == "__main__":
    # patch.object raises where the name is not there any more.
    with (
        patch.object(nokchart.collecting, "WatchSettings", _scaled),
        patch.object(chat, "_GOODBYE_SEC", _GOODBYE_SEC),
    ):
        app(["watch", *sys.argv[1:]])
