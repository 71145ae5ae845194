"""The wire: the bytes of one WebSocket message, where aiohttp would not write them as a fault wants them."""

from __future__ import annotations

from collections.abc import Iterator

TEXT, BINARY = 1, 2
_CONTINUATION = 0
_LAST = 0x80


def message(payload: bytes, opcode: int, parts: int = 1) -> Iterator[bytes]:
    """The message as so many frames (RFC 6455), unmasked, as servers send them; none of them need be whole text."""
    size = -(-len(payload) // parts)
    for number in range(parts):
        part = payload[number * size : (number + 1) * size]
        first = (opcode if number == 0 else _CONTINUATION) | (_LAST if number == parts - 1 else 0)
        yield bytes([first]) + _length(len(part)) + part


def _length(size: int) -> bytes:
    if size < 126:
        return bytes([size])
    if size < 65_536:
        return bytes([126]) + size.to_bytes(2, "big")
    return bytes([127]) + size.to_bytes(8, "big")
