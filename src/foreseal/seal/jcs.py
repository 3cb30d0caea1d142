"""Canonical JSON (RFC 8785) without its pits: no floats, no null, no duplicate keys.

Integers stay within the range that every JSON reader holds exactly; numbers with a fraction are decimal
strings. A value has one encoding, so bytes that decode must encode back to the same bytes. Who writes uses
Unicode normal form C (:func:`refuse_decomposed`); who reads does not ask: versions of Unicode differ in it.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from json.encoder import encode_basestring
from typing import NoReturn

from foreseal.errors import Malformed

MAX_INTEGER = 2**53 - 1
MAX_DEPTH = 8

_TOO_DEEP = f"JSON is nested more than {MAX_DEPTH} levels deep."
_TOO_LARGE = "a number is too large to be exact everywhere."
_NULL = "JSON may not hold {}: write decimals as text, leave nothing null."
_ASCII = json.JSONEncoder(ensure_ascii=False, check_circular=False, sort_keys=True, separators=(",", ":"))


def encode(value: object) -> bytes:
    """Canonical UTF-8 bytes of a value. Raises `Malformed` for what has no canonical form here."""
    parts: list[str] = []
    _encode(value, parts, 0)
    try:
        return "".join(parts).encode()
    except UnicodeEncodeError:
        raise Malformed("a text holds half of a surrogate pair.") from None


def refuse_decomposed(value: object) -> None:
    """Raise `Malformed` if a text in a value is not in Unicode normal form C: two would look the same."""
    if isinstance(value, str):
        if not unicodedata.is_normalized("NFC", value):
            raise Malformed(f"the text {value[:40]!r} is not in Unicode normal form C.")
    elif isinstance(value, Mapping):
        refuse_decomposed([*value.keys(), *value.values()])
    elif isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        for each in value:
            refuse_decomposed(each)


def decode(data: bytes, *, bounded: bool = True) -> object:
    """Strict inverse of :func:`encode`. Raises `Malformed` for what would not print back the same.

    Without ``bounded``, null, large numbers and deep nesting are left for the caller to refuse, as any schema
    of fields does.
    """
    try:
        text = data.decode("utf-8")
        value = _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"this is not JSON: {error}.") from None
    if text.isascii():
        # Then keys sort the same in UTF-8 and UTF-16.
        if bounded:
            _check((value,), 0)
        same = _ASCII.encode(value) == text
    else:
        same = encode(value) == data
    if not same:
        # A key that appears twice is such a case: only the last one was kept.
        json.loads(text, object_pairs_hook=_unique)
        raise Malformed("this JSON is not in its canonical form (RFC 8785).")
    return value


def _check(members: Iterable[object], depth: int) -> None:
    """Raise `Malformed` for what :func:`encode` refuses; ``members`` come from JSON without floats."""
    for each in members:
        if depth > MAX_DEPTH:
            raise Malformed(_TOO_DEEP)
        kind = type(each)
        if kind is int:
            if not -MAX_INTEGER <= each <= MAX_INTEGER:  # type: ignore[operator]
                raise Malformed(_TOO_LARGE)
        elif kind is dict:
            _check(each.values(), depth + 1)  # type: ignore[attr-defined]
        elif kind is list:
            _check(each, depth + 1)  # type: ignore[arg-type]
        elif each is None:
            raise Malformed(_NULL.format("NoneType"))


def _encode(value: object, parts: list[str], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise Malformed(_TOO_DEEP)
    if isinstance(value, str):
        parts.append(_text(value))
    elif isinstance(value, bool):
        parts.append("true" if value else "false")
    elif isinstance(value, int):
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise Malformed(_TOO_LARGE)
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
        raise Malformed(_NULL.format(type(value).__name__))


def _text(value: str) -> str:
    return encode_basestring(value)


def _utf16(key: object) -> bytes:
    if not isinstance(key, str):
        raise Malformed("a JSON key is not text.")
    return key.encode("utf-16-be", "surrogatepass")


def _unique(pairs: list[tuple[str, object]]) -> None:
    if len(dict(pairs)) != len(pairs):
        raise Malformed("this is not JSON: a key appears twice.")


def _no_float(text: str) -> NoReturn:
    raise ValueError(f"{text[:40]} is not a whole number")


_DECODER = json.JSONDecoder(parse_float=_no_float, parse_constant=_no_float)
