"""The places that messages go to, by apprise: https://github.com/caronc/apprise knows more than a hundred services.

An address holds a secret. None is ever told: a place is called by its service and its number in the list.
"""

from __future__ import annotations

import hashlib
import logging
import re
import threading
from collections.abc import Sequence
from typing import Any

from nokchart.notify.message import Message
from store.errors import NokchartError

_TIMEOUT_SEC = 10.0
_STATUS = re.compile(r"error[=: ]+(\d{3})")


class NotifyError(NokchartError):
    """Nobody can be told anything."""


class Place:
    """One address of notify_urls."""

    def __init__(self, number: int, url: str, plugin: Any) -> None:
        self._plugin = plugin
        self.name = f"{_service(url)} ({number})"
        """For logs and people: "discord (1)"."""
        self.key = hashlib.blake2b(url.encode(), digest_size=8).hexdigest()
        """For the state: the same for the same address."""

    def send(self, message: Message) -> str | None:
        """Sends it; takes up to 20 s or so. None where it arrived, else what went wrong, without any secret."""
        with _Overheard() as overheard:
            try:
                if self._plugin.notify(title=message.title, body=message.body, body_format="text"):
                    return None
            except Exception as error:  # a plugin of somebody else's: whatever it is, the others go on
                return type(error).__name__
        return overheard.reason()


def open_places(urls: Sequence[str]) -> list[Place]:
    """The places that `urls` name. NotifyError where there is none, one is not understood, or apprise is missing."""
    if not urls:
        raise NotifyError("Nobody is to be told: write addresses to notify_urls, see docs/notify.md.")
    try:
        from apprise import Apprise, AppriseAsset
    except ImportError as error:
        raise NotifyError("apprise is not installed: pip install 'nokchart[notify]'.") from error
    _set_up_listening()
    asset = AppriseAsset(app_id="NokChart", app_desc="NokChart", app_url="https://chzzk.naver.com", async_mode=False)
    places = []
    for number, url in enumerate(dict.fromkeys(urls), 1):
        plugin = Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
        if plugin is None:
            raise NotifyError(
                f"Address {number} of notify_urls ({_service(url)}) is not understood: see docs/notify.md for its form."
            )
        plugin.socket_connect_timeout = plugin.socket_read_timeout = _TIMEOUT_SEC
        places.append(Place(number, url, plugin))
    return places


def _service(url: str) -> str:
    scheme = url.partition("://")[0].lower()
    host = re.match(r"https?://(?:hooks\.|www\.)?([a-z]+)", url.lower())
    return (host[1] if host else scheme) if re.fullmatch(r"[a-z0-9]{1,20}", scheme) else "unknown"


class _Overheard(logging.Handler):
    """What apprise says of an attempt in this thread; it returns only whether that went well."""

    def __enter__(self) -> _Overheard:
        self._thread = threading.get_ident()
        self._said: list[str] = []
        logging.getLogger("apprise").addHandler(self)
        return self

    def __exit__(self, *exc: object) -> None:
        logging.getLogger("apprise").removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self._said.append(record.getMessage())

    def reason(self) -> str:
        """In our words: what it says may hold an address."""
        for said in self._said:
            if status := _STATUS.search(said):
                return f"HTTP {status[1]}"
        return "no answer" if any("onnection error" in said for said in self._said) else "not taken"


def _set_up_listening() -> None:
    """Only _Overheard hears apprise: nothing of it reaches stderr or another log."""
    logger = logging.getLogger("apprise")
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
