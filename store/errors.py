"""The one base of every error that NokChart raises on purpose."""

import inspect


class NokchartError(Exception):
    """NokChart could not go on."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or inspect.cleandoc(type(self).__doc__ or ""))
