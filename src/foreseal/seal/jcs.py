"""Canonical JSON (RFC 8785) without its pits: no floats, no null, no duplicate keys, NFC text only.

Integers stay within the range that every JSON reader holds exactly; numbers with a fraction are decimal
strings. A value has one encoding, so bytes that decode must encode back to the same bytes.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring
from typing import NoReturn

from foreseal.errors import Malformed

MAX_INTEGER = 2**53 - 1
MAX_DEPTH = 8


def encode(value: object) -> bytes:
    """Canonical UTF-8 bytes of a value. Raises `Malformed` for what has no canonical form here."""
    parts: list[str] = []
    _encode(value, parts, 0)
    try:
        return "".join(parts).encode()
    except UnicodeEncodeError:
        raise Malformed("a text holds half of a surrogate pair.") from None


def decode(data: bytes) -> object:
    """Strict inverse of :func:`encode`. Raises `Malformed` for what would not print back the same."""
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object,
            parse_float=_no_float,
            parse_constant=_no_float,
        )
    except (ValueError, RecursionError) as error:
        raise Malformed(f"this is not JSON: {error}.") from None
    if encode(value) != data:
        raise Malformed("this JSON is not in its canonical form (RFC 8785).")
    return value


def _encode(value: object, parts: list[str], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise Malformed(f"JSON is nested more than {MAX_DEPTH} levels deep.")
    if isinstance(value, str):
        parts.append(_text(value))
    elif isinstance(value, bool):
        parts.append("true" if value else "false")
    elif isinstance(value, int):
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise Malformed("a number is too large to be exact everywhere.")
        parts.append(str(int(value)))
    elif isinstance(value, Mapping):
        separator = "{"
        # RFC 8785 section 3.2.3: keys are ordered by their UTF-16 code units.
        for key in sorted(value, key=_utf16):
            parts += (separator, _text(key), ":")
            _encode(value[key], parts, depth + 1)
            separator = ","
        parts.append("}" if value else "{}")
    elif isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        separator = "["
        for each in value:
            parts.append(separator)
            _encode(each, parts, depth + 1)
            separator = ","
        parts.append("]" if value else "[]")
    else:
        raise Malformed(
            f"JSON may not hold {type(value).__name__}: write decimals as text, leave nothing null."
        )


def _text(value: str) -> str:
    if not unicodedata.is_normalized("NFC", value):
        raise Malformed(f"the text {value[:40]!r} is not in Unicode normal form C.")
    return encode_basestring(value)


def _utf16(key: object) -> bytes:
    if not isinstance(key, str):
        raise Malformed("a JSON key is not text.")
    return key.encode("utf-16-be", "surrogatepass")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key appears twice")
    return result


def _no_float(text: str) -> NoReturn:
    raise ValueError(f"{text[:40]} is not a whole number")
