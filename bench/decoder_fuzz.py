"""Feeds the decoder frames that were right once, for as long as it is told to, and holds it to what it promises.

It never raises, every item is one event or one refusal, whatever it hands on can be stored, nothing is invented, and
the same frame always means the same. On a violation it prints the frame and how to have it again, and exits with 1.
"""

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from bench.dataset import OPENED_AT
from collector.chzzk.decode import Frame, decode_frame
from simulator import Broadcast, SentItem, frames, generate
from simulator.dialect import CANCEL, RECENT, Blinding, blind_frame, frame, recent_item
from store.event import KINDS, Event
from store.text import clean_text, load_json

NOW_MS = int(OPENED_AT.timestamp() * 1000) + 3_600_000
_ITEMS = {93101, 93102, 15101}
_CORPUS_FRAMES = 600
_RICH = Broadcast(
    300,
    8,
    donations_per_min=60,
    twin_share=0.3,
    subscriptions_per_min=20,
    gifts_per_min=20,
    parties_per_min=10,
    shops_per_min=10,
    systems_per_min=10,
    channel_events_per_min=10,
    odd_share=0.05,
)
# What a field, a name or a byte may be replaced with.
_VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1, 10, 15, 77, 2**31, 2**53, 2**63, 2**64, -(2**63) - 1, 10**30, 1.5, 1e308),
    *(float("nan"), float("inf"), NOW_MS, NOW_MS // 1000, NOW_MS + 300_000, NOW_MS * 10, 253_402_300_799_000),
    *("", "\x00", "\ud800", "\udc00\ud800", "\u202e", "\ufeff", "\x1f", "{", "{}", "null", "[]", "NaN", '{"a":1e999}'),
    *(
        "anonymous",
        "가" * 3_000,
        "\\u0000",
        "😀",
        [],
        {},
        [[]],
        {"": {}},
        [None],
        {"donationId": ""},
        {"\x00": 1, "�": 2},
    ),
]
_BYTES = [
    b"\x00",
    b"\xff",
    b"\xed\xa0\x80",
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\\u0000",
    b"\\ud800",
    b"9",
]
_BYTES += [b"e999", b"-", b"NaN", b"null", b"\xef\xbb\xbf", b"\t", b"\n", b"[" * 2_000, b'{"a":' * 1_200]

Data = str | bytes


class Violation(Exception):
    """The decoder broke a promise."""


def corpus() -> list[str]:
    """Frames as Chzzk sends them: every command that carries something."""
    items = list(generate(_RICH, 7, open_date=OPENED_AT))
    live = list(islice(frames(_RICH, 7, open_date=OPENED_AT), _CORPUS_FRAMES))
    chosen = random.Random(7).sample(items, 60)
    recent = [_recent(items[start : start + 20]) for start in range(0, 400, 20)]
    blinds = [blind_frame(Blinding(item.time_ms, item, kind), "N1") for item in chosen for kind in ("HIDDEN", CANCEL)]
    return live + recent + blinds + [json.dumps({"cmd": 10100, "retCode": 0, "bdy": {"sid": "s"}}), '{"cmd":0}']


def _recent(items: list[SentItem]) -> str:
    return frame(RECENT, {"messageList": [recent_item(item, "N1", 5) for item in items]}, "N1")


def mutate(known: list[str], seed: str) -> Data:
    """One of the frames with one to four things wrong; the same for the same seed."""
    rng = random.Random(seed)
    text = rng.choice(known)
    for _ in range(rng.choice((1, 1, 1, 2, 2, 4))):
        text = _change_structure(text, rng) if rng.random() < 0.7 else _change_bytes(text, known, rng)
    if rng.random() < 0.2:
        data = bytearray(text.encode(errors="surrogatepass"))
        if data:
            data[rng.randrange(len(data))] = rng.randrange(256)
        return bytes(data)
    return text


def _change_structure(text: str, rng: random.Random) -> str:
    """Replaces, removes, repeats or renames a part of the message, also of the messages inside its texts."""
    message = load_json(text)
    places = list(_places(message))
    if not places:
        return text
    holder, name = rng.choice(places)
    value = holder[name]
    if isinstance(value, str) and value[:1] in ("{", "[") and rng.random() < 0.7:
        holder[name] = _change_structure(value, rng)
    else:
        match rng.randrange(6):
            case 0 | 1 | 2:
                holder[name] = rng.choice(_VALUES)
            case 3:
                del holder[name]
            case 4 if isinstance(holder, list):
                holder[name:name] = [value] * rng.choice((1, 2, 50))
            case 4:
                holder[rng.choice([other[1] for other in places if isinstance(other[1], str)])] = value
            case _:
                for _ in range(rng.choice((1, 3, 200))):
                    value = rng.choice(([value], {"a": value}))
                holder[name] = value
    try:
        return json.dumps(message, ensure_ascii=rng.random() < 0.5)
    except (RecursionError, ValueError):
        return text


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a JSON value, as the object or list it is in and its name there."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in list(inner):
        yield value, name
        yield from _places(part)


def _change_bytes(text: str, known: list[str], rng: random.Random) -> str:
    data = text.encode(errors="surrogatepass")
    place = rng.randrange(len(data) + 1)
    end = min(len(data), place + rng.choice((1, 1, 2, 8, 60)))
    match rng.randrange(5):
        case 0:
            data = data[:place] + rng.choice(_BYTES) + data[place:]
        case 1:
            data = data[:place] + data[end:]
        case 2:
            data = data[:place] + data[place:end] * rng.choice((2, 3, 40)) + data[end:]
        case 3:
            data = data[:place]
        case _:
            other = rng.choice(known).encode()
            data = data[:place] + other[rng.randrange(len(other)) :]
    return data.decode(errors="surrogateescape")


def check(data: Data) -> Frame:
    """Decodes a frame; Violation where a promise is broken."""
    try:
        decoded = decode_frame(data, NOW_MS)
        again = decode_frame(data, NOW_MS)
    except BaseException as error:
        raise Violation(f"raised {type(error).__name__}: {error}") from error
    _demand(decoded == again, "the same frame means something else the second time")
    message = load_json(data)
    body = message.get("bdy") if isinstance(message, dict) else None
    if decoded.command in _ITEMS:
        body = body.get("messageList") if decoded.command == 15101 and isinstance(body, dict) else body
        count = len(body) if isinstance(body, list) else None
        _demand(decoded.items == count, "the items are miscounted")
        _demand(
            len(decoded.events) + len(decoded.rejected) == (1 if count is None else count), "an item is lost or new"
        )
    elif decoded.command is None:
        _demand((len(decoded.events), len(decoded.rejected)) == (0, 1), "no message, and yet no single refusal")
    whole = set(_scalars(message))
    for event in decoded.events:
        _check_event(event, whole)
    for rejected in decoded.rejected:
        _demand(rejected.raw.isascii() and "\x00" not in rejected.raw, "a refused item that cannot be stored")
        json.loads(rejected.raw)
        _check_text(rejected.reason)
    for blind in decoded.blinds:
        _check_text(blind.user_id)
        _demand(0 <= blind.ts_ms <= NOW_MS + 86_400_000 and blind.ts_ms in whole, "a blind of no time")
    return decoded


def _check_event(event: Event, whole: set[Any]) -> None:
    _demand(event.kind in KINDS and event.source in ("live", "recent"), "a kind or a source that is not known")
    _demand(1_577_836_800_000 <= event.ts_ms <= NOW_MS + 86_400_000, "a time that no broadcast has")
    _demand(-(2**63) <= event.event_key < 2**63, "a key of more than 64 bits")
    _demand(event.amount is None or (0 <= event.amount < 2**31 and event.amount in whole), "an amount nobody named")
    if event.user_id is not None or event.content is not None:
        _demand(event.ts_ms in whole, "a time that nobody named")
    for text in (event.user_id, event.nickname, event.content):
        if text is not None:
            _check_text(text)
            _demand(text in whole, f"a text that nobody wrote: {text[:80]!r}")
    if event.extra is not None:
        extra = json.loads(event.extra, parse_constant=_no_json)
        _demand(isinstance(extra, dict) and bool(extra), "extra is not an object with something in it")
        _check_text(event.extra)
        for value in _scalars(extra):
            if isinstance(value, str):
                _check_text(value)


def _scalars(value: Any) -> Iterator[Any]:
    """All names and values in a JSON value and in the JSON inside its texts, as they may be stored."""
    if isinstance(value, dict):
        yield from _scalars(list(value))
        yield from _scalars(list(value.values()))
    elif isinstance(value, list):
        for part in value:
            yield from _scalars(part)
    elif isinstance(value, str):
        yield clean_text(value)
        if value.lstrip()[:1] in ("{", "["):
            yield from _scalars(load_json(value))
    else:
        yield value


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Violation("a text that is no UTF-8") from error
    _demand("\x00" not in text, "a text with NUL")


def _no_json(constant: str) -> None:
    raise Violation(f"{constant} is not JSON")


def _demand(held: bool, what: str) -> None:
    if not held:
        raise Violation(what)


def fuzz(seed: int, keep_on: Callable[[int], bool], known: list[str] | None = None) -> Counter[str]:
    """Tries frames number 0, 1, .. while `keep_on(number)`. Returns what came of them; Violation names the frame."""
    known = known or corpus()
    counts: Counter[str] = Counter()
    while keep_on(counts["frames"]):
        data = mutate(known, f"{seed}/{counts['frames']}")
        try:
            found = check(data)
        except Exception as error:  # ours or the decoder's: the frame is what one needs to know
            raise Violation(f"{error}\nframe {seed}/{counts['frames']}: {data!r}") from error
        counts["frames"] += 1
        counts["not a message"] += found.command is None
        counts["events"] += len(found.events)
        counts["refused"] += len(found.rejected)
        counts["blinds"] += len(found.blinds)
    return counts


def main() -> None:
    """The command line of `python -m bench.decoder_fuzz`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0, help="another one, other frames; the same one, the same frames")
    options = parser.parse_args()
    known = corpus()
    begun = time.monotonic()
    try:
        counts = fuzz(options.seed, lambda _: time.monotonic() - begun < options.seconds, known)
    except Violation as violation:
        sys.exit(f"the decoder broke a promise: {violation}")
    seconds = time.monotonic() - begun
    rest = ", ".join(f"{count:,} {what}" for what, count in counts.items() if what != "frames")
    print(f"{counts['frames']:,} frames in {seconds:.0f} s ({counts['frames'] / seconds:,.0f} a second): {rest}")


if __name__ == "__main__":
    main()
