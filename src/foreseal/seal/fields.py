"""Checkers of entry fields: each takes a value and where it stands, and raises `Malformed` if it is wrong.

Where a value stands is put together only once it is wrong: most never are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from foreseal.clock import Frequency, parse_instant
from foreseal.errors import Malformed, UsageError
from foreseal.exact import MAX_DIGITS, MAX_LEVEL_DECIMALS, parse_decimal, scale_levels
from foreseal.seal.keys import parse_author

Check = Callable[[object, str], None]

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


def text(limit: int, *, empty: bool = False) -> Check:
    """Text of at most ``limit`` characters without control characters."""

    def check(value: object, where: str) -> None:
        if not isinstance(value, str) or len(value) > limit or not (value or empty):
            raise Malformed(f"{where} is not a text of {0 if empty else 1} to {limit} characters.")
        if not value.isprintable() and _CONTROL.search(value):
            raise Malformed(f"{where} holds a control character.")

    return check


def integer(low: int, high: int) -> Check:
    """A whole number from ``low`` to ``high``."""

    def check(value: object, where: str) -> None:
        if type(value) is not int or not low <= value <= high:
            raise Malformed(f"{where} is not a whole number from {low} to {high}.")

    return check


def boolean(value: object, where: str) -> None:
    """True or false."""
    if not isinstance(value, bool):
        raise Malformed(f"{where} is neither true nor false.")


def choice(*options: str) -> Check:
    """One of a few words."""

    def check(value: object, where: str) -> None:
        if value not in options:
            raise Malformed(f"{where} is {str(value)[:40]!r}, not one of {', '.join(map(repr, options))}.")

    return check


def hexadecimal(size: int) -> Check:
    """``size`` bytes in lower-case hexadecimal."""

    digits = re.compile(f"[0-9a-f]{{{2 * size}}}", re.ASCII).fullmatch

    def check(value: object, where: str) -> None:
        if not isinstance(value, str) or not digits(value):
            raise Malformed(f"{where} is not {size} bytes in lower-case hexadecimal.")

    return check


def instant(value: object, where: str) -> None:
    """An instant, RFC 3339 with Z."""
    try:
        parse_instant(value if isinstance(value, str) else "")
    except UsageError:
        raise Malformed(f"{where} is not an instant of the form 2018-08-01T05:00:00Z.") from None


def frequency(value: object, where: str) -> None:
    """A frequency such as ``1h``, or empty."""
    try:
        if value == "" or str(Frequency.parse(value if isinstance(value, str) else "")) == value:
            return
    except UsageError:
        pass
    raise Malformed(f"{where} is not a frequency such as '1h'.")


def author(value: object, where: str) -> None:
    """``ed25519:<hex>``."""
    try:
        parse_author(value if isinstance(value, str) else "")
    except Malformed:
        raise Malformed(f"{where} is not an author of the form ed25519:<64 hex digits>.") from None


def decimal(value: object, where: str) -> None:
    """A canonical decimal string with any number of decimals."""
    try:
        if isinstance(value, str):
            parse_decimal(value, len(value.partition(".")[2]))
            return
    except Malformed:
        pass
    raise Malformed(f"{where} is not a decimal number in text, of at most {MAX_DIGITS} characters.")


def decimal_or_empty(value: object, where: str) -> None:
    """A canonical decimal string, or empty."""
    if value != "":
        decimal(value, where)


def levels(value: object, where: str) -> None:
    """Quantile levels in text, ascending within (0, 1), without trailing zeros; the list may be empty."""
    listing(text(MAX_LEVEL_DECIMALS + 2), 99)(value, where)
    assert isinstance(value, list)
    if any(level.endswith("0") for level in value):
        raise Malformed(f"{where} has a level with a trailing zero.")
    if value:
        try:
            scale_levels(value)
        except Malformed as error:
            raise Malformed(f"{where}: {error.message}") from None


def listing(item: Check, limit: int) -> Check:
    """A list of at most ``limit`` items."""

    def check(value: object, where: str) -> None:
        if not isinstance(value, list) or len(value) > limit:
            raise Malformed(f"{where} is not a list of at most {limit} items.")
        at = 0
        try:
            for at, each in enumerate(value):  # noqa: B007 - told if it is wrong
                item(each, "")
        except Malformed as error:
            raise Malformed(f"{where}[{at}]{error.message}") from None

    return check


def mapping(item: Check, limit: int) -> Check:
    """An object with free keys (1 to 64 characters) and at most ``limit`` members."""
    name = text(64)

    def check(value: object, where: str) -> None:
        if not isinstance(value, dict) or len(value) > limit:
            raise Malformed(f"{where} is not an object of at most {limit} members.")
        try:
            for key in value:
                name(key, "")
        except Malformed as error:
            raise Malformed(f"a key of {where}{error.message}") from None
        try:
            for key, each in value.items():
                item(each, key)
        except Malformed as error:
            raise Malformed(f"{where}.{error.message}") from None

    return check


def record(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    """An object with exactly these fields; the optional ones may be left out."""
    fields = {**required, **(optional or {})}
    least, most = required.keys(), fields.keys()

    def check(value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise Malformed(f"{where} is not an object.")
        if value.keys() != most:
            if not value.keys() <= most:
                unknown = next(key for key in value if key not in fields)
                raise Malformed(f"{where} has the unknown field {str(unknown)[:40]!r}.")
            if not least <= value.keys():
                lacking = next(key for key in required if key not in value)
                raise Malformed(f"{where} lacks the field {lacking!r}.")
        try:
            for key, each in value.items():
                fields[key](each, key)
        except Malformed as error:
            raise Malformed(f"{where}.{error.message}") from None

    return check
