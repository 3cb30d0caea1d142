"""Scores of decimal strings, computed in integers.

A sealed number is a decimal string with a number of decimals that its target declares. Scores of such
numbers are exact: every verifier, in any language, gets the same digits. A value ``v`` with ``d`` decimals
is held as the integer ``v * 10**d``.

The weighted interval score of a forecast with quantile levels ``t_1..t_K`` is ``(1/K) * sum_k 2 * PB(t_k)``
with the pinball loss ``PB(t) = (y - q) * t`` if ``y >= q`` else ``(q - y) * (1 - t)``. For levels that are
symmetric around a median this equals the form with interval widths and penalties (Bracher et al., 2021,
equation 1 and its supplement). The sum is exact; the division by ``K`` is left to the end.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Sequence

from foreseal.errors import Malformed

# Together with the largest payload these keep every score, total and mean within MAX_DIGITS characters.
MAX_WHOLE = 14
MAX_DECIMALS = 9
MAX_LEVEL_DECIMALS = 6
MAX_DIGITS = 40

_DECIMAL = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?", re.ASCII)


def parse_decimal(text: str, decimals: int) -> int:
    """The integer ``v * 10**decimals`` of a canonical decimal string.

    Canonical means exactly ``decimals`` digits after the point (no point if 0), no leading zeros, no plus
    sign and no negative zero, so that a value has one spelling only. Raises `Malformed` otherwise.
    """
    match = _DECIMAL.fullmatch(text) if len(text) <= MAX_DIGITS else None
    if match is None or len(match[3] or "") != decimals:
        raise Malformed(f"{text[:MAX_DIGITS]!r} is not a decimal number with {decimals} decimals.")
    value = int(match[2] + (match[3] or ""))
    if match[1] and value == 0:
        raise Malformed(f"{text!r} is a negative zero.")
    return -value if match[1] else value


def parse_decimals(texts: Sequence[str], decimals: int) -> list[int]:
    """:func:`parse_decimal` of each of many texts."""
    joined = ",".join(texts)
    if _decimals(decimals).fullmatch(joined) and max(map(len, texts)) <= MAX_DIGITS:
        values = list(map(int, joined.replace(".", "").split(",")))
        # A text with a comma would have given two.
        if len(values) == len(texts):
            return values
    return [parse_decimal(text, decimals) for text in texts]


def parse_values(texts: Sequence[str], decimals: int) -> list[int]:
    """As :func:`parse_decimals`, of numbers that are scored: at most 14 digits before the point."""
    values, limit = parse_decimals(texts, decimals), 10 ** (MAX_WHOLE + decimals)
    if values and not -limit < min(values) <= max(values) < limit:
        text = next(text for text, value in zip(texts, values, strict=True) if abs(value) >= limit)
        raise Malformed(f"{text!r} has more than {MAX_WHOLE} digits before the point.")
    return values


@functools.cache
def _decimals(decimals: int) -> re.Pattern[str]:
    """What :func:`parse_decimal` takes, but for the length, once or more with commas between."""
    one = r"(?:-(?=[0-9.]*[1-9]))?(?:0|[1-9][0-9]*)" + (rf"\.[0-9]{{{decimals}}}" if decimals else "")
    return re.compile(rf"(?:{one},)*+{one}", re.ASCII)


def format_decimal(value: int, decimals: int) -> str:
    """The canonical decimal string of ``value / 10**decimals``; inverse of :func:`parse_decimal`."""
    sign = "-" if value < 0 else ""
    digits = str(abs(value)).rjust(decimals + 1, "0")
    return f"{sign}{digits[:-decimals]}.{digits[-decimals:]}" if decimals else f"{sign}{digits}"


def round_decimal(value: float, decimals: int) -> str:
    """The canonical decimal string nearest to a finite float (the float's exact value, ties to even)."""
    text = f"{value:.{decimals}f}"
    if _DECIMAL.fullmatch(text) is None:
        raise Malformed(f"{value!r} has no decimal form.")
    return text[1:] if text.startswith("-") and not text.strip("-0.") else text


def divide(numerator: int, denominator: int) -> int:
    """``numerator / denominator`` rounded to the nearest integer, ties to even."""
    quotient, rest = divmod(numerator, denominator)
    twice = 2 * rest
    if twice > denominator or (twice == denominator and quotient % 2):
        quotient += 1
    return quotient


def level_decimals(levels: Sequence[str]) -> int:
    """Digits after the point that hold every level of a sequence such as ``("0.05", "0.5")``."""
    return max(len(level.partition(".")[2]) for level in levels)


def scale_levels(levels: Sequence[str]) -> tuple[list[int], int]:
    """Quantile levels as integers over a common ``10**digits``; levels lie in (0, 1) and ascend."""
    digits = level_decimals(levels)
    scaled = [parse_decimal(level, len(level.partition(".")[2])) for level in levels]
    scaled = [v * 10 ** (digits - len(t.partition(".")[2])) for v, t in zip(scaled, levels, strict=True)]
    if any(not 0 < v < 10**digits for v in scaled) or any(a >= b for a, b in itertools.pairwise(scaled)):
        raise Malformed(f"quantile levels {', '.join(levels)} must lie in (0, 1) and ascend.")
    return scaled, digits


def wis_sum(levels: Sequence[int], unit: int, quantiles: Sequence[int], y: int) -> int:
    """``K * WIS`` of one value: the sum over levels ``level / unit`` of ``2 * unit * PB``.

    An integer in units of ``10**-decimals / unit``.
    """
    return 2 * sum(
        [
            level * (y - quantile) if y >= quantile else (unit - level) * (quantile - y)
            for level, quantile in zip(levels, quantiles, strict=True)
        ]
    )


def brier(p: int, unit: int, y: int) -> int:
    """``unit**2 * (p/unit - y)**2`` of a probability ``p / unit`` and a label ``y`` of 0 or 1."""
    if not 0 <= p <= unit or y not in (0, 1):
        raise Malformed("a Brier score needs a probability in [0, 1] and a label of 0 or 1.")
    return (p - unit * y) ** 2
