"""Text as PostgreSQL can keep it: without NUL and lone surrogates, which JSON and hostile people can write."""

import json
import math
from typing import Any

import orjson


def clean_text(text: str) -> str:
    """`text` with NUL and lone surrogates as U+FFFD; everything else stays."""
    if text.isascii() and "\x00" not in text:
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\x00", "\ufffd")


def clean_json(value: Any) -> str:
    """`value` as JSON that jsonb takes: texts cleaned, no NaN and no Infinity."""
    try:
        text = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()
    except (TypeError, ValueError, RecursionError):
        text = json.dumps(_cleaned(value), ensure_ascii=False)
    return text if "\\u0000" not in text else json.dumps(_cleaned(value), ensure_ascii=False)


def load_json(data: str | bytes) -> Any:
    """What `data` says, read as leniently as Python can; None where it is no JSON at all."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        # orjson is strict: lone surrogates, and large numbers, that the standard library reads.
        try:
            return json.loads(data, strict=False, parse_int=_integer)
        except (ValueError, RecursionError):
            return None


def _integer(digits: str) -> int | float:
    """As orjson reads it, and JavaScript: of more than 64 bits, the nearest double."""
    value = int(digits) if len(digits) <= 20 else 2**64
    return value if -(2**63) <= value < 2**64 else float(digits)


def _cleaned(value: Any) -> Any:
    match value:
        case str():
            return clean_text(value)
        case dict():
            return {clean_text(str(key)): _cleaned(inner) for key, inner in value.items()}
        case list():
            return [_cleaned(inner) for inner in value]
        case float() if not math.isfinite(value):
            return None  # NaN and Infinity are Python's, not JSON's
        case _:
            return value
